package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is what --help says besides.
func (c *completionCommand) Help() string {
	return `Prints what makes the shell complete commands and flags of this program, and of projector and query where they lie beside it. In bash and zsh: source <(leaderboard completion bash). In fish: leaderboard completion fish | source.`
}

// Check finds no fault: the shell is one of three.
func (c *completionCommand) Check() error { return nil }

// completionScripts are by shell. {bin} is the program, which completes a line that it
// finds in COMP_LINE; {name} is what it is called by.
var completionScripts = map[string]string{
	"bash": "complete -o default -o bashdefault -C {bin} {name}\n",
	"zsh": `(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_{name}() {
    local -a found=(${(f)"$(COMP_LINE="${(j: :)words[1,CURRENT]}" {bin})"})
    if (( $#found )); then compadd -a found; else _files; fi
}
compdef _{name} {name}
`,
	"fish": `function __complete_{name}
    set -lx COMP_LINE (commandline -cp)
    test -z (commandline -ct); and set COMP_LINE "$COMP_LINE "
    set -l found ({bin})
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -f -c {name} -a "(__complete_{name})"
`,
}

func (c *completionCommand) execute(_ context.Context, std streams) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	for _, program := range []string{name, "projector", "query"} {
		bin := filepath.Join(filepath.Dir(self), program)
		if _, err := os.Stat(bin); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		script := strings.NewReplacer("{bin}", bin, "{name}", program).Replace(completionScripts[c.Shell])
		if _, err := fmt.Fprint(std.out, script); err != nil {
			return err
		}
	}
	return nil
}
