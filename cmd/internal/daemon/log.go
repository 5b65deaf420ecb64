package daemon

import (
	"io"
	"log/slog"
	"strings"
)

// Log are the settings of the log.
type Log struct {
	Level  string `name:"log-level" env:"LOG_LEVEL" default:"${log_level}" placeholder:"LEVEL" help:"Least level to log: debug, info, warn, error (${default})."`
	Format string `name:"log-format" env:"LOG_FORMAT" default:"text" placeholder:"FORMAT" help:"text or json (${default})."`
}

// Check names what is wrong with the settings.
func (l *Log) Check() error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return Mistakenf("log-level", "%q is none of debug, info, warn, error", l.Level)
	}
	if f := strings.ToLower(l.Format); f != "text" && f != "json" {
		return Mistakenf("log-format", "%q is neither text nor json", l.Format)
	}
	return nil
}

// Logger makes the program's logger.
func (l *Log) Logger(w io.Writer) *slog.Logger {
	var options slog.HandlerOptions
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err == nil {
		options.Level = level
	}
	var handler slog.Handler = slog.NewTextHandler(w, &options)
	if strings.EqualFold(l.Format, "json") {
		handler = slog.NewJSONHandler(w, &options)
	}
	log := slog.New(handler)
	logRedis(log)
	return log
}
