package feed

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"golang.org/x/time/rate"
)

const (
	// chunkRecords is how many records are sent and acknowledged together.
	chunkRecords = 20_000
	// readBuffer is as long as the longest line can be.
	readBuffer = 1 << 20
)

// Lines says how a file of JSON lines becomes records, one a line.
type Lines struct {
	Writer *kafka.Writer
	// Key finds a line's key, or says why there is none.
	Key func(line []byte) (string, error)
	// Visit, unless nil, sees each record with the number of its line before it is
	// sent. It may add headers, or say that the record is not to be sent.
	Visit func(number int, m *kafka.Message) (send bool, err error)
	// Rate is how many records a second are sent; 0 is as many as can be.
	Rate float64
}

// Publish sends the lines in order and waits until they are acknowledged. It
// ends at the first line without a key: the lines before it are sent, none after
// it. The number of records sent counts in either case.
func (l Lines) Publish(ctx context.Context, r io.Reader) (published int, err error) {
	limit, chunkSize := l.pace()
	lines := bufio.NewReaderSize(r, readBuffer)
	var chunk []kafka.Message
	for number := 1; ; number++ {
		message, end := l.next(lines, number)
		if message.Value != nil {
			chunk = append(chunk, message)
		}
		// What has been read goes out before the next read may have to wait.
		if len(chunk) > 0 && (end != nil || len(chunk) >= chunkSize || lines.Buffered() == 0) {
			if err := limit.WaitN(ctx, len(chunk)); err != nil {
				return published, err
			}
			if err := l.Writer.WriteMessages(ctx, chunk...); err != nil {
				return published + acknowledged(err, len(chunk)), err
			}
			published += len(chunk)
			chunk = chunk[:0]
		}
		switch {
		case errors.Is(end, io.EOF):
			return published, nil
		case end != nil:
			return published, end
		}
	}
}

// pace gives the limiter and how many records to send at once, so that a slow
// rate is a steady one.
func (l Lines) pace() (*rate.Limiter, int) {
	if l.Rate <= 0 {
		return rate.NewLimiter(rate.Inf, chunkRecords), chunkRecords
	}
	size := max(1, min(chunkRecords, int(l.Rate/10)))
	return rate.NewLimiter(rate.Limit(l.Rate), size), size
}

// next reads a line; one that is blank, or not to be sent, gives no message.
func (l Lines) next(r *bufio.Reader, number int) (kafka.Message, error) {
	raw, end := r.ReadSlice('\n')
	switch {
	case errors.Is(end, bufio.ErrBufferFull):
		return kafka.Message{}, fmt.Errorf("line %d is longer than %d bytes", number, readBuffer)
	case end != nil && !errors.Is(end, io.EOF):
		return kafka.Message{}, fmt.Errorf("read line %d: %w", number, end)
	}
	line := bytes.TrimSpace(raw)
	if len(line) == 0 {
		return kafka.Message{}, end
	}
	key, err := l.Key(line)
	if err != nil {
		return kafka.Message{}, fmt.Errorf("line %d: %w", number, err)
	}
	message, send := kafka.Message{Key: []byte(key), Value: bytes.Clone(line)}, true
	if l.Visit != nil {
		send, err = l.Visit(number, &message)
	}
	switch {
	case err != nil:
		return kafka.Message{}, fmt.Errorf("line %d: %w", number, err)
	case !send:
		return kafka.Message{}, end
	}
	return message, end
}

// acknowledged counts the records of a failed write that arrived all the same.
func acknowledged(err error, sent int) int {
	var failures kafka.WriteErrors
	if !errors.As(err, &failures) {
		return 0
	}
	return sent - failures.Count()
}
