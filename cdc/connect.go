package cdc

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	connectTimeout = 10 * time.Second
	// closeTimeout bounds the goodbye; the socket is closed in any case.
	closeTimeout = 2 * time.Second
	// lockTimeout is how long a statement of ours may queue for a lock. It is
	// the default deadlock_timeout: whoever waits for us is not kept longer.
	lockTimeout = "1s"
	// idleInRead is how long a read that nobody goes on with may keep its locks:
	// weak ones, that a migration of Plausible waits for all the same.
	idleInRead = "1s"
	// unheardInRead is the same for one whose rows nobody takes, in milliseconds:
	// the host has vanished, or the process is stopped. PostgreSQL has no other
	// limit for a write to a client.
	unheardInRead = "1000"
	// unheardInStream is for a stream, which holds no lock.
	unheardInStream = "10000"
)

// textFormat makes a server write values in the one form that values.go reads,
// whatever the database or the role has set.
var textFormat = map[string]string{
	"datestyle":                   "ISO",
	"timezone":                    "UTC",
	"client_encoding":             "UTF8",
	"standard_conforming_strings": "on",
}

// plainConfig is for an ordinary connection. Prepared statements are not kept:
// a migration of Plausible would invalidate them.
func plainConfig(base *pgx.ConnConfig) *pgx.ConnConfig {
	config := base.Copy()
	config.RuntimeParams = withParams(base.RuntimeParams, map[string]string{
		"statement_timeout":                   "30s",
		"lock_timeout":                        lockTimeout,
		"idle_in_transaction_session_timeout": idleInRead,
		"idle_session_timeout":                "0",
		"tcp_user_timeout":                    unheardInRead,
	})
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.StatementCacheCapacity = 0
	config.DescriptionCacheCapacity = 0
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	return config
}

// replicationConfig is for a connection to a walsender. Time limits of the role
// must not end a stream that is quiet for long; silence of the network is found
// by the session itself.
func replicationConfig(base *pgx.ConnConfig) *pgconn.Config {
	config := base.Config.Copy()
	config.RuntimeParams = withParams(base.RuntimeParams, map[string]string{
		"replication":                         "database",
		"statement_timeout":                   "0",
		"lock_timeout":                        lockTimeout,
		"idle_in_transaction_session_timeout": idleInRead,
		"idle_session_timeout":                "0",
		"tcp_user_timeout":                    unheardInRead,
		"client_min_messages":                 "warning", // Anything that is no data ends a session.
		"wal_sender_timeout":                  "60s",
	})
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	return config
}

func withParams(base, more map[string]string) map[string]string {
	params := map[string]string{"application_name": "plausible-webhooks"}
	maps.Copy(params, base)
	maps.Copy(params, textFormat)
	maps.Copy(params, more)
	return params
}

// plain is one ordinary connection, made when it is needed. Whoever uses it
// finds a fresh one after any error, so that no transaction is left open.
type plain struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn
}

// use runs work with the connection, for at most the given time. A connection
// kept from before may have died with a restart of the server without anyone
// noticing: then work is done once more, with a fresh one.
func (p *plain) use(ctx context.Context, limit time.Duration, work func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	kept := p.conn != nil
	err := p.try(ctx, work)
	if err == nil {
		return nil
	}
	died := p.conn != nil && p.conn.IsClosed()
	p.close()
	if !kept || !died || ctx.Err() != nil {
		return err
	}
	if err = p.try(ctx, work); err != nil {
		p.close()
	}
	return err
}

func (p *plain) try(ctx context.Context, work func(context.Context, *pgx.Conn) error) error {
	if p.conn == nil {
		conn, err := pgx.ConnectConfig(ctx, p.config)
		if err != nil {
			return fmt.Errorf("connect to PostgreSQL: %w", err)
		}
		p.conn = conn
	}
	return work(ctx, p.conn)
}

func (p *plain) close() {
	if p.conn != nil {
		closeConnection(p.conn.PgConn())
		p.conn = nil
	}
}

// closeConnection also waits for what pgconn cleans up behind a cancelled
// call, so that nothing of a connection outlives its owner.
func closeConnection(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	// An error here says that the connection was closed already.
	_ = conn.Close(ctx)
	select {
	case <-conn.CleanupDone():
	case <-ctx.Done():
		// On a connection that is forgotten on the way, pgconn waits 15 s for the
		// server's end of it.
		_ = conn.Conn().Close() // Of what is closed already, for nothing.
		<-conn.CleanupDone()
	}
}
