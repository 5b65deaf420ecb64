package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	containertypes "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"

	"leaderboard/test/child"
)

// engineLimit is how long a Docker engine may take to say that it is there.
const engineLimit = 3 * time.Second

// dockerEngine is a Docker engine and the host on which it publishes ports.
type dockerEngine struct {
	*testcontainers.DockerProvider
	host string
}

// engine is the Docker engine that tests can use, nil when none answers.
var engine = sync.OnceValue(func() *dockerEngine {
	log.SetDefault(log.NewNoopLogger())
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineLimit)
	defer cancel()
	if provider.Health(ctx) != nil {
		return nil
	}
	host, err := provider.DaemonHost(ctx)
	if err != nil {
		return nil
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	return &dockerEngine{provider, host}
})

// publish is where a container's published port can be reached, and the address
// on the engine's host to publish it at.
func (e *dockerEngine) publish(port int) (addr string, binding network.PortBinding) {
	at := netip.IPv4Unspecified()
	if ip, err := netip.ParseAddr(e.host); err == nil && ip.IsLoopback() {
		at = ip
	}
	text := strconv.Itoa(port)
	return net.JoinHostPort(e.host, text), network.PortBinding{HostIP: at, HostPort: text}
}

// image is an image that a server can run from.
type image struct {
	name string
	// obtain pulls the image unless it is there.
	obtain func() error
}

// newImage is the image of that name, which the environment variable overrides.
func newImage(variable, name string) image {
	if value := os.Getenv(variable); value != "" {
		name = value
	}
	return image{name: name, obtain: sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), startLimit)
		defer cancel()
		docker := engine().Client()
		if _, err := docker.ImageInspect(ctx, name); err == nil {
			return nil
		}
		return engine().PullImage(ctx, name)
	})}
}

// usable says whether a container can be made of the image. An engine that
// cannot get it is passed over, but not in silence.
func (i image) usable() bool {
	if engine() == nil {
		return false
	}
	if err := i.obtain(); err != nil {
		announce(i.name, "docker: the image %s cannot be had, so a process will do: %v", i.name, err)
		return false
	}
	return true
}

// container is a machine that runs in Docker.
type container struct {
	request testcontainers.ContainerRequest
	created testcontainers.Container // nil until the first start
}

// newContainer makes a container whose port inside is published by binding.
func newContainer(i image, inside int, binding network.PortBinding, command []string, env map[string]string) *container {
	exposed := fmt.Sprintf("%d/tcp", inside)
	return &container{request: testcontainers.ContainerRequest{
		Image: i.name, Cmd: command, Env: env, ExposedPorts: []string{exposed},
		HostConfigModifier: func(host *containertypes.HostConfig) {
			host.PortBindings = network.PortMap{network.MustParsePort(exposed): {binding}}
		},
	}}
}

func (c *container) start(ctx context.Context) error {
	if c.created == nil {
		created, err := engine().CreateContainer(ctx, c.request)
		if err != nil {
			return fmt.Errorf("create a container of %s: %w", c.request.Image, err)
		}
		c.created = created
	}
	if err := c.created.Start(ctx); err != nil {
		return fmt.Errorf("the container of %s %w: %w", c.request.Image, errEnded, err)
	}
	return nil
}

func (c *container) running() bool {
	if c.created == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineLimit)
	defer cancel()
	state, err := c.created.State(ctx)
	return err == nil && state.Running
}

func (c *container) signal(ctx context.Context, sig syscall.Signal) error {
	id, docker := c.created.GetContainerID(), engine().Client()
	var err error
	switch sig {
	case syscall.SIGTERM:
		limit := stopLimit
		err = c.created.Stop(ctx, &limit)
	case syscall.SIGKILL:
		ended := docker.ContainerWait(ctx, id, client.ContainerWaitOptions{})
		if _, err = docker.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
			break
		}
		select {
		case <-ended.Result:
		case err = <-ended.Error:
		}
	case syscall.SIGSTOP:
		_, err = docker.ContainerPause(ctx, id, client.ContainerPauseOptions{})
	case syscall.SIGCONT:
		_, err = docker.ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{})
	default:
		err = errors.ErrUnsupported
	}
	if err != nil {
		return fmt.Errorf("send %q to the container of %s: %w", sig, c.request.Image, err)
	}
	return nil
}

func (c *container) log() string {
	ctx, cancel := context.WithTimeout(context.Background(), engineLimit)
	defer cancel()
	reader, err := c.created.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	if err != nil {
		return err.Error()
	}
	return child.LastLines(text)
}

func (c *container) remove() error {
	if c.created == nil {
		return nil
	}
	return c.created.Terminate(context.Background(), testcontainers.StopTimeout(0))
}
