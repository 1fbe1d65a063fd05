package main

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// startPooler is a connection pooler as far as a client can tell: it announces
// process ids of its own. A strict one knows few startup parameters, as
// PgBouncer does.
func startPooler(t *testing.T, server string, strict bool) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = client.Close() }()
				pool(client, server, strict)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

func pool(client net.Conn, server string, strict bool) {
	toClient := pgproto3.NewBackend(client, client)
	first, err := toClient.ReceiveStartupMessage()
	startup, isStartup := first.(*pgproto3.StartupMessage)
	if err != nil || !isStartup {
		return
	}
	if _, unknown := startup.Parameters["tcp_keepalives_idle"]; unknown && strict {
		toClient.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: tcp_keepalives_idle"})
		_ = toClient.Flush()
		return
	}
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer func() { _ = upstream.Close() }()
	toServer := pgproto3.NewFrontend(upstream, upstream)
	toServer.Send(startup)
	if toServer.Flush() != nil {
		return
	}
	go func() {
		_, _ = io.Copy(upstream, client)
		_ = upstream.Close()
	}()
	for {
		message, err := toServer.Receive()
		if err != nil {
			return
		}
		if key, ok := message.(*pgproto3.BackendKeyData); ok {
			key.ProcessID++
		}
		toClient.Send(message)
		if toClient.Flush() != nil {
			return
		}
	}
}

func TestCheckFindsAPooler(t *testing.T) {
	s := newShell(t)
	config := s.db.Config()
	server := net.JoinHostPort(config.Host, itoa(config.Port))
	for strict, check := range map[bool]string{true: "PostgreSQL", false: "direct connection"} {
		address := startPooler(t, server, strict)
		url := strings.Replace("postgres://"+config.User+":"+config.Password+"@HOST/"+config.Database, "HOST", address, 1)
		pooled := s.with("DATABASE_URL=" + url)
		s.wantFinding(pooled.findings(exitFailed), check, levelFailure, "point DATABASE_URL at PostgreSQL itself")
	}
}
