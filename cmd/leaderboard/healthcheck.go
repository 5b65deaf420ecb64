package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"leaderboard/cmd/internal/daemon"
)

type healthcheckCommand struct {
	URL     string        `name:"url" env:"HEALTHCHECK_URL" placeholder:"URL" help:"Endpoint to ask, such as http://127.0.0.1:8081/readyz. Required."`
	Timeout time.Duration `env:"HEALTHCHECK_TIMEOUT" default:"3s" placeholder:"TIME" help:"Longest time for the answer (${default})."`
	Output  output        `embed:"" envprefix:"HEALTHCHECK_"`
}

// Check names every wrong setting.
func (c *healthcheckCommand) Check() error {
	mistakes := []error{daemon.CheckPositive("timeout", c.Timeout)}
	if at, err := url.Parse(c.URL); err != nil || (at.Scheme != "http" && at.Scheme != "https") || at.Host == "" {
		mistakes = append(mistakes, daemon.Mistakenf("url", "%q is no URL such as http://127.0.0.1:8081/readyz", c.URL))
	}
	return errors.Join(mistakes...)
}

// maxHealthBytes is how much of an answer is shown.
const maxHealthBytes = 4 << 10

// execute shows the answer, whose status decides.
func (c *healthcheckCommand) execute(ctx context.Context, std streams) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxHealthBytes))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", answer.Status, strings.TrimSpace(string(text)))
	}
	return c.Output.print(std.out, map[string]any{"url": c.URL, "answer": strings.TrimSpace(string(text))}, sentence("%s", text))
}
