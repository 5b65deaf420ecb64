package test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// withoutRequest are the messages of the errors that no request provokes by itself:
// TestQueryAnswersAPanicAndGoesOn, TestQueryRefusesRequestsAboveItsLimit and, in query,
// TestNoMoreStreamsThanMayBe do.
var withoutRequest = []string{textInternal, textOverload, "Too many streams are open at the moment, please try again shortly"}

// TestDocumentedErrors provokes every error and warning of docs/api.md with the
// request that stands beside it.
func TestDocumentedErrors(t *testing.T) {
	_, text, _ := strings.Cut(readFile(t, filepath.Join("..", "docs", "api.md")), "\n## Errors\n")
	text, _, _ = strings.Cut(text, "\n## ")
	blocks := fence.FindAllStringSubmatch(text, -1)
	if len(blocks) != 3 {
		t.Fatalf("there are %d blocks about errors, not 3", len(blocks))
	}
	shell := startDocumented(t, blocks[1][2], blocks[2][2])
	rows := tableRows(text)
	codes := map[int]bool{}
	for _, row := range rows {
		switch len(row) {
		case 5:
			code, _ := strconv.Atoi(row[0])
			codes[code] = true
			shell.expectError(t, code, row[1], row[2], row[4])
		case 3:
			shell.expectWarning(t, row[0], row[2])
		default:
			t.Errorf("a row of %d columns: %q", len(row), row)
		}
	}
	source := readFile(t, filepath.Join("..", "errors.go"))
	for _, match := range regexp.MustCompile(`Code = (\d+)`).FindAllStringSubmatch(source, -1) {
		if code, _ := strconv.Atoi(match[1]); !codes[code] {
			t.Errorf("code %d is not in the table", code)
		}
	}
}

// tableRows are the rows of all tables, without headings and the code's backquotes.
func tableRows(text string) [][]string {
	var rows [][]string
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		isRow := strings.HasPrefix(line, "| ") && !strings.HasPrefix(lines[i+1], "|---")
		if !isRow {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for k := range cells {
			cells[k] = strings.Trim(strings.TrimSpace(cells[k]), "`")
		}
		rows = append(rows, cells)
	}
	return rows
}

// documentedShell runs requests as the page has them, on services that were started
// as the page has it.
type documentedShell struct {
	directory, variables string
	here                 *strings.Replacer
}

func startDocumented(t *testing.T, services, variables string) *documentedShell {
	t.Helper()
	api, away := servers.FreeAddress(t), servers.FreeAddress(t)
	s := &documentedShell{
		directory: readmeDirectory(t), variables: variables,
		here: strings.NewReplacer("localhost:8080", api, "localhost:8090", away, "localhost:8091", "localhost:0"),
	}
	t.Setenv("LISTEN", api)
	t.Setenv("ADMIN_LISTEN", "127.0.0.1:0")
	startScript(t, s.directory, "export TMPDIR=$PWD\n"+s.here.Replace(services)+"wait")
	programs.Await(t, "the services to be there", func() error {
		for _, address := range []string{api, away} {
			if status, body := s.ask("curl http://" + address + "/docs"); status != "200" {
				return fmt.Errorf("%s answers %s %s", address, status, body)
			}
		}
		status, body := s.ask(`curl -u shop:change-me "$api/targetGroups/232?targetId=366&periodId=243"`)
		if status != "200" || !strings.Contains(body, `"total":4`) {
			return fmt.Errorf("the board is %s %s", status, body)
		}
		return nil
	})
	return s
}

// ask runs a request and gives the last answer.
func (s *documentedShell) ask(request string) (status, body string) {
	quiet := `curl() { command curl --silent --output body --write-out '%{http_code}\n' "$@"; }` + "\n"
	cmd := exec.Command("bash", "-uc", quiet+s.here.Replace(s.variables+request))
	cmd.Dir = s.directory
	output, _ := cmd.Output()
	statuses := strings.Fields(string(output))
	answer, _ := os.ReadFile(filepath.Join(s.directory, "body"))
	return slices.Concat([]string{""}, statuses)[len(statuses)], string(answer)
}

func (s *documentedShell) expectError(t *testing.T, code int, status, message, request string) {
	t.Helper()
	if request == "–" {
		if !slices.Contains(withoutRequest, message) {
			t.Errorf("%q has no request", message)
		}
		return
	}
	gotStatus, body := s.ask(request)
	if code == http.StatusTooManyRequests {
		programs.Await(t, "slow attempts to be too many", func() error {
			if gotStatus, body = s.ask(request); gotStatus != status {
				return fmt.Errorf("it is %s %s", gotStatus, body)
			}
			return nil
		})
	}
	if code != 0 { // what is refused before it is read has none
		want := fmt.Sprintf(`"errors":[{"code":%d,"message":%q}]`, code, message)
		if !strings.Contains(body, want) {
			t.Errorf("%s\n got %s\nwant %s", request, body, want)
		}
	}
	if gotStatus != status {
		t.Errorf("%s\n got %s %s\nwant %s", request, gotStatus, body, status)
	}
}

func (s *documentedShell) expectWarning(t *testing.T, message, request string) {
	t.Helper()
	status, body := s.ask(request)
	if want := fmt.Sprintf(`"warnings":[{"message":%q}]}`, message); status != "200" || !strings.HasSuffix(body, want) {
		t.Errorf("%s\n got %s %s\nwant %s", request, status, body, want)
	}
}
