// Command leaderboard is the operator's tool: it runs the whole leaderboard for
// development, publishes activities and profiles, and keeps the catalog, clients,
// dead letters and generations.
package main

import (
	"context"
	"io"
	"os"
	"time"
	_ "time/tzdata" // organisations' time zones, on systems that have none

	"github.com/alecthomas/kong"

	"leaderboard/cmd/internal/daemon"
)

// version is stamped by the linker.
var version string

const (
	name        = "leaderboard"
	description = "Runs, feeds and keeps a leaderboard."
	// grace is how long a command may take to finish after the signal to end.
	grace = 20 * time.Second
)

func main() { os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})) }

// streams are the standard streams.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// program is the command line.
type program struct {
	Dev      devCommand      `cmd:"" help:"Run it all in one process: embedded broker, store, projector and HTTP service."`
	Publish  publishCommand  `cmd:"" help:"Publish activities from a file of JSON lines."`
	Simulate simulateCommand `cmd:"" help:"Publish made-up activities all the time, to see a board live."`
	Verify   verifyCommand   `cmd:"" help:"Prove that the boards in Redis equal the log, or repair them."`
	Status   statusCommand   `cmd:"" help:"Show on one screen how all of it is, and what is wrong."`
	Topics   struct {
		Create createTopicsCommand `cmd:"" help:"Create the topics that are missing, and check the others."`
	} `cmd:"" help:"Keep the topics."`
	Catalog struct {
		Apply applyCommand `cmd:"" help:"Write organisations and target groups from a file."`
		Show  showCommand  `cmd:"" help:"Print the catalog."`
	} `cmd:"" help:"Keep the catalog."`
	Profiles struct {
		Publish profilesCommand `cmd:"" help:"Publish profiles from a file of JSON lines."`
	} `cmd:"" help:"Keep the profiles."`
	Erase   eraseCommand  `cmd:"" help:"Erase a user: the profile, and the entries on all boards of the organisation."`
	Export  exportCommand `cmd:"" help:"Print everything held about a user."`
	Clients struct {
		Add    addCommand         `cmd:"" help:"Add a client to a clients file, which is made when it is not there."`
		List   listClientsCommand `cmd:"" help:"List the clients, without their secrets."`
		Rotate rotateCommand      `cmd:"" help:"Give a client another secret, beside the one it has for a while."`
		Remove removeCommand      `cmd:"" help:"Take a client away."`

		TokenKey tokenKeyCommand `cmd:"" help:"Make the key of the tokens, or put another one in front of it."`
	} `cmd:"" help:"Keep the clients of the HTTP service."`
	DeadLetters struct {
		List    listLettersCommand `cmd:"" help:"List the records that were refused and are not settled."`
		Show    showLetterCommand  `cmd:"" help:"Print one with the record as it came, personal data included."`
		Replay  replayCommand      `cmd:"" help:"Publish the records again, each once, and so settle them."`
		Discard discardCommand     `cmd:"" help:"Settle them without publishing the records."`
	} `cmd:"" name:"deadletters" help:"Keep the dead letters."`
	Generations struct {
		List    listGenerationsCommand `cmd:"" help:"Show each generation of boards and how far behind the log it is."`
		Promote promoteCommand         `cmd:"" help:"Let readers use another generation, which has to be caught up."`
		Drop    dropCommand            `cmd:"" help:"Free a generation that is not read."`
	} `cmd:"" help:"Keep the generations of boards: bin/projector --generation N builds one beside the one that is read."`
	Snapshot struct {
		Create  createSnapshotCommand  `cmd:"" help:"Write the boards of a generation to a file or a bucket."`
		Restore restoreSnapshotCommand `cmd:"" help:"Make a generation of boards from a snapshot."`
	} `cmd:"" help:"Keep snapshots of the boards, from which a projector goes on with the log."`
	Healthcheck healthcheckCommand `cmd:"" help:"Ask a daemon's admin endpoint, for containers that have no other program to do it."`
	Completion  completionCommand  `cmd:"" help:"Print what makes a shell complete commands and flags."`
	Version     kong.VersionFlag   `help:"Print the version."`
}

// command is one of the commands of [program].
type command interface {
	daemon.Checker
	execute(ctx context.Context, std streams) error
}

func run(args []string, std streams) int {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := daemon.Parse(new(program), name, description, daemon.Version(version), args, std.out)
	switch {
	case err != nil:
		return daemon.Usage(name, std.err, err)
	case parsed.Done:
		return daemon.ExitOK
	}
	return daemon.Main(name, grace, std.err, func(ctx context.Context) error {
		return parsed.Command.(command).execute(ctx, std)
	})
}
