package daemon

import (
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/willabides/kongplete"
)

// Mistake is a setting whose value cannot be used.
type Mistake struct {
	// Flag is the setting's name without the dashes.
	Flag    string
	Problem string
}

func (m *Mistake) Error() string { return "--" + m.Flag + ": " + m.Problem }

// Mistakenf makes a [Mistake].
func Mistakenf(flag, format string, args ...any) error {
	return &Mistake{Flag: flag, Problem: fmt.Sprintf(format, args...)}
}

// Checker is a command that checks its settings: all of them, each wrong one
// a [Mistake], joined.
type Checker interface {
	Check() error
}

// Exit codes of the programs.
const (
	ExitOK      = 0
	ExitFailure = 1
	ExitUsage   = 2
)

// Parsed is the command that the arguments chose.
type Parsed struct {
	// Command is the chosen command's struct, or the program's own.
	Command any
	// Done says that the arguments asked for no more than help or the version.
	Done bool
}

// Parse reads a program's settings into the struct that program points to, flags
// before environment before defaults. The error names every mistake at once, one
// a line, by flag and environment variable.
func Parse(program any, name, description, version string, args []string, stdout io.Writer) (Parsed, error) {
	var parsed Parsed
	lenient := &lenientMapper{}
	parser, err := newParser(program, name, version,
		kong.Description(description),
		kong.Writers(stdout, io.Discard),
		kong.Exit(func(int) { parsed.Done = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		lenient.option(),
	)
	if err != nil {
		return Parsed{}, err
	}
	kongplete.Complete(parser) // when a shell asks what a line may go on with, and then exits
	if parsed.Done {
		return parsed, nil
	}
	chosen, err := parser.Parse(args)
	if parsed.Done {
		return parsed, nil
	}
	if err != nil {
		return Parsed{}, err
	}
	parsed.Command = program
	if node := chosen.Selected(); node != nil {
		parsed.Command = node.Target.Addr().Interface()
	}
	mistakes := lenient.mistakes
	if checker, ok := parsed.Command.(Checker); ok {
		for _, err := range flatten(checker.Check()) {
			if !lenient.named(err) {
				mistakes = append(mistakes, err)
			}
		}
	}
	return parsed, describe(mistakes, chosen.Flags())
}

// Model is what [Parse] reads by: the commands and flags of a program.
func Model(program any, name string) (*kong.Application, error) {
	parser, err := newParser(program, name, "")
	if err != nil {
		return nil, err
	}
	return parser.Model, nil
}

func newParser(program any, name, version string, options ...kong.Option) (*kong.Kong, error) {
	options = append(options, kong.Name(name), kong.Vars{"version": name + " " + version})
	parser, err := kong.New(program, options...)
	if err != nil {
		return nil, fmt.Errorf("the flags of %s: %w", name, err)
	}
	return parser, nil
}

// lenientMapper keeps the mistakes of values that have the wrong type instead of
// ending at the first one. The setting keeps its default.
type lenientMapper struct {
	mistakes []error
}

func (l *lenientMapper) option() kong.Option {
	registry := kong.NewRegistry().RegisterDefaults()
	wrapped := func(t reflect.Type) kong.Mapper { return l.wrap(registry.ForType(t)) }
	options := []kong.Option{
		kong.KindMapper(reflect.Int, wrapped(reflect.TypeFor[int]())),
		kong.KindMapper(reflect.Int64, wrapped(reflect.TypeFor[int64]())),
		kong.KindMapper(reflect.Float64, wrapped(reflect.TypeFor[float64]())),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), wrapped(reflect.TypeFor[time.Duration]())),
	}
	return kong.OptionFunc(func(k *kong.Kong) error {
		for _, option := range options {
			if err := option.Apply(k); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *lenientMapper) wrap(inner kong.Mapper) kong.Mapper {
	return kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		err := inner.Decode(ctx, target)
		if err == nil {
			return nil
		}
		l.mistakes = append(l.mistakes, &Mistake{Flag: ctx.Value.Name, Problem: err.Error()})
		if !ctx.Value.HasDefault {
			return nil
		}
		return inner.Decode(ctx.WithScanner(kong.Scan(ctx.Value.Default)), target)
	})
}

// named tells whether the setting was found wrong already.
func (l *lenientMapper) named(err error) bool {
	var again *Mistake
	return errors.As(err, &again) && slices.ContainsFunc(l.mistakes, func(err error) bool {
		var m *Mistake
		return errors.As(err, &m) && m.Flag == again.Flag
	})
}

// describe joins the mistakes in the flags of the chosen command, naming the
// environment variable of each.
func describe(mistakes []error, flags []*kong.Flag) error {
	variables := map[string]string{}
	for _, flag := range flags {
		variables[flag.Name] = strings.Join(flag.Envs, ", ")
	}
	var described []error
	for _, err := range mistakes {
		var m *Mistake
		if !errors.As(err, &m) {
			described = append(described, err)
			continue
		}
		if variable, chosen := variables[m.Flag]; chosen {
			described = append(described, fmt.Errorf("--%s (%s): %s", m.Flag, variable, m.Problem))
		}
	}
	return errors.Join(described...)
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var errs []error
	for _, e := range joined.Unwrap() {
		errs = append(errs, flatten(e)...)
	}
	return errs
}

// CheckAddress finds fault with an address that is not host:port.
func CheckAddress(flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return Mistakenf(flag, "%q is not host:port", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return Mistakenf(flag, "the port of %q is not a number from 0 to 65535", address)
	} else if n == 0 && !strings.Contains(flag, "listen") && flag != "admin" {
		return Mistakenf(flag, "%q has no port", address)
	}
	return nil
}

// checkAddresses finds fault with a list of servers.
func checkAddresses(flag string, addresses []string) error {
	if len(addresses) == 0 {
		return Mistakenf(flag, "names no server; give host:port, several separated by commas")
	}
	var mistakes []error
	for _, address := range addresses {
		mistakes = append(mistakes, CheckAddress(flag, address))
	}
	return errors.Join(mistakes...)
}

// CheckPositive finds fault with a number or a time that is not above 0.
func CheckPositive[N ~int | ~int64 | ~float64](flag string, n N) error {
	if n <= 0 {
		return Mistakenf(flag, "%v is not above 0", n)
	}
	return nil
}
