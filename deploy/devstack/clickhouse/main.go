package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"plausible-webhooks/deploy/devstack/clickhouse/front"
)

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	log.SetPrefix("clickhouse: ")
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	var (
		port    = flag.Int("port", 0, "loopback port to listen on; 0 chooses a free one")
		data    = flag.String("data", "", "folder of the data; empty for a temporary one")
		profile = flag.String("profile", "", "settings of every query: empty, or ce for those of Plausible CE's small-machine profile")
	)
	flag.Parse()

	settings, err := front.Profile(*profile)
	if err != nil {
		return err
	}
	temporary := *data == ""
	if temporary {
		dir, err := os.MkdirTemp("", "devstack-clickhouse-")
		if err != nil {
			return fmt.Errorf("make a temporary data folder: %w", err)
		}
		*data = dir
	}
	uploads := filepath.Join(*data, "uploads")
	if err := os.RemoveAll(uploads); err != nil {
		return fmt.Errorf("clear left-over uploads: %w", err)
	}
	if err := os.MkdirAll(uploads, 0o700); err != nil {
		return fmt.Errorf("make the uploads folder: %w", err)
	}

	// Listening comes before the engine: a taken port is told at once.
	listener, err := listen(*port)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	engine, err := openEngine(filepath.Join(*data, "engine"))
	if err != nil {
		return err
	}

	// An interrupt from the terminal reaches the starter too, which may still
	// need the server in order to stop cleanly, and ends it then.
	signal.Ignore(syscall.SIGINT)
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	orphaned := make(chan struct{})
	go func() {
		// The starter holds the other end and never writes; the end of file
		// means that it exited, however it did.
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(orphaned)
	}()

	server := &http.Server{Handler: front.New(engine, uploads, settings), MaxHeaderBytes: 1 << 20}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Printf("listening %s\n", listener.Addr())

	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-stopped.Done():
	case <-orphaned:
	}
	// Requests that wait (a pause, a long query) are cut after a moment: whoever
	// stops the server wants it stopped.
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		log.Printf("shut down: %v", err)
	}
	_ = server.Close()
	// The engine is not closed: closing waits for running queries, while every
	// acknowledged insert is on disk already.
	if temporary {
		if err := os.RemoveAll(*data); err != nil {
			return fmt.Errorf("remove the data folder: %w", err)
		}
	}
	return nil
}

// listen opens a loopback port; 0 is a free one below the range from which
// systems take ports of outgoing connections. A port of that range could be
// taken by some connection while the server restarts.
func listen(port int) (net.Listener, error) {
	if port != 0 {
		return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	const lowest, highest, attempts = 18_000, 32_000, 100
	var err error
	for range attempts {
		var listener net.Listener
		candidate := lowest + rand.IntN(highest-lowest)
		if listener, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(candidate))); err == nil {
			return listener, nil
		}
	}
	return nil, err
}
