package faults

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// advertiser stands before a Kafka of one broker and puts another address in its
// mouth: clients that come by a link are told to come by that link again, where
// the broker itself would name an address that leads past it.
type advertiser struct {
	broker   string
	listener net.Listener

	mu         sync.Mutex
	advertised string
}

func newAdvertiser(t *testing.T, broker string) *advertiser {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &advertiser{broker: broker, listener: listener}
	t.Cleanup(func() { _ = listener.Close() })
	go a.serve()
	return a
}

// newKafkaLink makes a link to the Kafka of one broker at addr.
func newKafkaLink(t *testing.T, addr string) *link {
	t.Helper()
	a := newAdvertiser(t, addr)
	l := newLink(t, a.listener.Addr().String())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advertised = l.Addr()
	return l
}

func (a *advertiser) serve() {
	for {
		client, err := a.listener.Accept()
		if err != nil {
			return
		}
		go a.connect(client)
	}
}

// connect serves one connection; when one side ends, so does the other.
func (a *advertiser) connect(client net.Conn) {
	defer client.Close()
	broker, err := net.Dial("tcp", a.broker)
	if err != nil {
		return
	}
	defer broker.Close()
	var (
		asked sync.Map // correlation id → the answer that is awaited
		done  = make(chan struct{}, 2)
	)
	pump := func(from io.Reader, to io.Writer, change func([]byte) ([]byte, error)) {
		_ = copyFrames(from, to, change) // the connection ends in any case
		done <- struct{}{}
	}
	go pump(client, broker, func(request []byte) ([]byte, error) { return request, note(request, &asked) })
	go pump(broker, client, func(answer []byte) ([]byte, error) { return a.rewrite(answer, &asked) })
	<-done
}

// copyFrames copies Kafka's frames: four bytes of length, and the content.
func copyFrames(from io.Reader, to io.Writer, change func([]byte) ([]byte, error)) error {
	for {
		var length [4]byte
		if _, err := io.ReadFull(from, length[:]); err != nil {
			return err
		}
		frame := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(from, frame); err != nil {
			return err
		}
		frame, err := change(frame)
		if err != nil {
			return err
		}
		if _, err := to.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)); err != nil {
			return err
		}
	}
}

var errShort = errors.New("a frame is too short")

// note remembers a request whose answer names the broker's address.
func note(request []byte, asked *sync.Map) error {
	if len(request) < 8 {
		return errShort
	}
	answer := kmsg.ResponseForKey(int16(binary.BigEndian.Uint16(request)))
	switch answer.(type) {
	case *kmsg.MetadataResponse, *kmsg.FindCoordinatorResponse:
		answer.SetVersion(int16(binary.BigEndian.Uint16(request[2:])))
		asked.Store([4]byte(request[4:8]), answer)
	}
	return nil
}

// rewrite puts the advertised address into an answer that names one.
func (a *advertiser) rewrite(frame []byte, asked *sync.Map) ([]byte, error) {
	if len(frame) < 4 {
		return nil, errShort
	}
	noted, ok := asked.LoadAndDelete([4]byte(frame[:4]))
	if !ok {
		return frame, nil
	}
	answer := noted.(kmsg.Response)
	header := 4
	if answer.IsFlexible() {
		header++ // no tags
	}
	if err := answer.ReadFrom(frame[header:]); err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	host, port, err := a.address()
	if err != nil {
		return nil, err
	}
	switch answer := answer.(type) {
	case *kmsg.MetadataResponse:
		for i := range answer.Brokers {
			answer.Brokers[i].Host, answer.Brokers[i].Port = host, port
		}
	case *kmsg.FindCoordinatorResponse:
		answer.Host, answer.Port = host, port
		for i := range answer.Coordinators {
			answer.Coordinators[i].Host, answer.Coordinators[i].Port = host, port
		}
	}
	return answer.AppendTo(frame[:header:header]), nil
}

func (a *advertiser) address() (host string, port int32, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	host, text, err := net.SplitHostPort(a.advertised)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.Atoi(text)
	return host, int32(n), err
}
