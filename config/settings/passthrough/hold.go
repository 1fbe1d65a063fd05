package passthrough

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
)

// chunk is one read of a body; data is its own.
type chunk struct {
	data []byte
	err  error
}

// hold reads a body until it ends, at most limit bytes and for the given time.
// The rest is a body that yields everything, what was read included; complete
// tells whether sent is all there is. The body is closed with the rest.
func hold(body io.ReadCloser, limit int, patience time.Duration) (sent []byte, rest io.ReadCloser, complete bool) {
	h := &held{body: body, chunks: make(chan chunk), closed: make(chan struct{})}
	go h.read()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for len(sent) <= limit {
		select {
		case c := <-h.chunks:
			sent = append(sent, c.data...)
			if c.err != nil {
				h.pending, h.err = *bytes.NewReader(sent), c.err
				return sent, h, errors.Is(c.err, io.EOF) && len(sent) <= limit
			}
		case <-timer.C:
			h.pending = *bytes.NewReader(sent)
			return sent, h, false
		}
	}
	h.pending = *bytes.NewReader(sent)
	return sent, h, false
}

// held is a body that is read ahead by a goroutine of its own, since a read
// cannot be given up.
type held struct {
	body    io.ReadCloser
	chunks  chan chunk
	closed  chan struct{}
	once    sync.Once
	pending bytes.Reader // What has been read and not been taken.
	err     error        // Comes after pending.
}

// read ends with the body: closing it ends a read that waits.
func (h *held) read() {
	buffer := make([]byte, 32<<10)
	for {
		n, err := h.body.Read(buffer)
		select {
		case h.chunks <- chunk{bytes.Clone(buffer[:n]), err}:
		case <-h.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

// Read implements io.Reader.
func (h *held) Read(p []byte) (int, error) {
	for h.pending.Len() == 0 {
		if h.err != nil {
			return 0, h.err
		}
		c := <-h.chunks
		h.pending, h.err = *bytes.NewReader(c.data), c.err
	}
	return h.pending.Read(p)
}

// Close implements io.Closer.
func (h *held) Close() error {
	h.once.Do(func() { close(h.closed) })
	return h.body.Close()
}
