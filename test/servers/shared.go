package servers

import (
	"context"
	"fmt"
	"os"
	"sync"
)

// shared is a server that the tests of a binary share: it starts when the first
// of them asks for it. A failure is told to all of them.
type shared struct {
	mu     sync.Mutex
	server *server
	err    error
}

var sharedRedis, sharedKafka shared

// start starts the server, if this was not done before, and says where it is.
func (s *shared) start(build func(port int) (*server, error)) (addr string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil && s.err == nil {
		s.server, s.err = launch(context.Background(), build)
	}
	if s.err != nil {
		return "", s.err
	}
	return s.server.addr, nil
}

func (s *shared) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil
	}
	err := s.server.remove()
	s.server = nil
	return err
}

// Stop ends the servers that tests share. TestMain calls it after m.Run.
func Stop() {
	for _, s := range []*shared{&sharedRedis, &sharedKafka} {
		if err := s.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop a shared server:", err)
		}
	}
}
