package cdc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// startTimeout bounds each step of a session's start but the slot, which has a
// limit of its own.
const startTimeout = 30 * time.Second

// runSession follows the database by one replication connection, from its slot
// to its first error, which is always returned. It owns the connection: nobody
// else reads from it or writes to it. Nothing of it is left afterwards.
func (f *Follower) runSession(ctx context.Context, end context.CancelCauseFunc) error {
	conn, err := connectReplication(ctx, f)
	if err != nil {
		return err
	}
	defer closeConnection(conn)

	slot := newSlotName()
	if err := f.openSlot(ctx, conn, slot); err != nil {
		return err
	}
	session := f.takeOver(end)
	defer f.handBack(session)
	if err := f.readSnapshot(ctx, conn, session); err != nil {
		return err
	}
	if err := startStream(ctx, conn, slot); err != nil {
		return err
	}
	if f.hooks.slot != nil {
		f.hooks.slot(slot)
	}
	f.setStatus(ModeReplication, true, "")
	f.options.Log.Info("following the configuration by logical replication", "slot", slot)
	return f.receive(ctx, conn, session)
}

func connectReplication(ctx context.Context, f *Follower) (*pgconn.PgConn, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, replicationConfig(f.options.Connect))
	if err != nil {
		return nil, classify(fmt.Errorf("open a replication connection: %w", err))
	}
	return conn, nil
}

// newSlotName returns a name that no other instance uses. Slot names are lower
// case letters, digits and underscores.
func newSlotName() string {
	const letters = "abcdefghijklmnopqrstuvwxyz234567" // 32 of them: a byte's low five bits pick evenly.
	random := make([]byte, 8)
	rand.Read(random) // It never fails.
	for i, b := range random {
		random[i] = letters[b&31]
	}
	return "plausible_webhooks_" + string(random)
}

// openSlot makes the temporary slot, and with it the snapshot of the
// transaction that it leaves open. The server first waits for every running
// write transaction; after the limit the error says for whose.
func (f *Follower) openSlot(ctx context.Context, conn *pgconn.PgConn, slot string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opened := make(chan error, 1)
	go func() { opened <- createSlot(ctx, conn, slot) }()

	limit := time.NewTimer(f.options.SlotTimeout)
	defer limit.Stop()
	select {
	case err := <-opened:
		return err
	case <-limit.C:
	}
	blockers := f.findBlockers(ctx, conn.PID())
	cancel()
	if err := <-opened; err == nil {
		return errors.New("make the replication slot: it came too late")
	}
	return &SlotWaitError{Waited: f.options.SlotTimeout, Blockers: blockers}
}

func createSlot(ctx context.Context, conn *pgconn.PgConn, slot string) error {
	if err := execute(ctx, conn, "begin the read", beginRead); err != nil {
		return err
	}
	_, err := pglogrepl.CreateReplicationSlot(ctx, conn, slot, "pgoutput",
		pglogrepl.CreateReplicationSlotOptions{Temporary: true, SnapshotAction: "USE_SNAPSHOT"})
	if err != nil {
		return classify(fmt.Errorf("make the replication slot: %w", err))
	}
	return nil
}

// findBlockers asks by an ordinary connection of its own. It returns none where
// that does not work: the wait itself is the news.
func (f *Follower) findBlockers(ctx context.Context, walsender uint32) []Blocker {
	asking := plain{config: plainConfig(f.options.Connect)}
	defer asking.close()
	var blockers []Blocker
	err := asking.use(ctx, closeTimeout, func(ctx context.Context, conn *pgx.Conn) (err error) {
		blockers, err = readBlockers(ctx, conn, walsender)
		return err
	})
	if err != nil {
		f.options.Log.Debug("cannot tell which transaction the replication slot waits for", "error", err)
	}
	return blockers
}

// readSnapshot fills the session's mirror with the state at which the stream
// begins, and makes it the view.
func (f *Follower) readSnapshot(ctx context.Context, conn *pgconn.PgConn, session *live) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := lockTables(ctx, conn); err != nil {
		return err
	}
	m := newMirror(f.known())
	if _, err := readTables(ctx, conn, m); err != nil {
		return err
	}
	if err := execute(ctx, conn, "prepare for the stream", "SET tcp_user_timeout = "+unheardInStream); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	session.stream = newStream(m)
	f.publish(m.state())
	f.confirm()
	f.compared()
	return nil
}

// startStream begins at the slot's own position, to which 0/0 refers.
func startStream(ctx context.Context, conn *pgconn.PgConn, slot string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err := pglogrepl.StartReplication(ctx, conn, slot, 0, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names '" + Publication + "'"},
	})
	if err != nil {
		return classify(fmt.Errorf("start replication: %w", err))
	}
	return nil
}
