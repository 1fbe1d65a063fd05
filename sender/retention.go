package sender

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// mostFinished is how many finished deliveries of one webhook are kept
// (deploy/REFERENCE.md section 1, WEBHOOKS_RETENTION).
const mostFinished = 100_000

// purgeKey is the session advisory lock of the sender that deletes; any
// constant does that nothing else in the database uses.
const purgeKey = 0x706c_7768_7075_7267

const (
	// purgeInterval is how often old deliveries are looked for, purgeTime how
	// long they are deleted at most: what is left then has its turn the next
	// time. Small transactions with pauses leave Plausible its database, and
	// are still faster than this program sends.
	purgeInterval = time.Minute
	purgeTime     = 30 * time.Second
	purgeBatch    = 500
	purgePause    = 50 * time.Millisecond

	// excessInterval is how often the deliveries of each webhook are counted,
	// excessPage of how many webhooks by one statement.
	excessInterval = 10 * time.Minute
	excessPage     = 50
)

// Rows that others insert as finished need not say when that was.
const undatedSQL = `
update plausible_webhooks.webhook_deliveries d set finished_at = inserted_at
where id in (
  select id from plausible_webhooks.webhook_deliveries
  where status <> 'pending' and finished_at is null limit $1 for update skip locked)`

// Both statements go on from where the batch before ended: until a vacuum has
// cleared away what it deleted, a search from the start would pass over all of
// that again. Attempts go by cascade. A row that is being resent is skipped.
// What is old is told by the clock that dated the rows: by its own, a sidecar
// whose clock is a month ahead would delete everything.
const (
	purgeOldSQL = `
with picked as (
  select id, finished_at as place from plausible_webhooks.webhook_deliveries
  where status <> 'pending' and finished_at < now() - $1::interval and finished_at >= $2
  order by finished_at limit $3
  for update skip locked
), deleted as (
  delete from plausible_webhooks.webhook_deliveries d using picked p where d.id = p.id
)
select count(*), max(place) from picked`

	purgeExcessSQL = `
with picked as (
  select id, inserted_at as place from plausible_webhooks.webhook_deliveries
  where status <> 'pending' and webhook_id = $1 and inserted_at >= $2
  order by inserted_at limit $3
  for update skip locked
), deleted as (
  delete from plausible_webhooks.webhook_deliveries d using picked p where d.id = p.id
)
select count(*), max(place) from picked`
)

// excessSQL counts the finished deliveries of a page of webhooks: all of them
// less those that are pending, which indexes tell without a look at the rows.
const excessSQL = `
select h.id, all_of.n - case when all_of.n <= $3 then 0 else (
  select count(*) from plausible_webhooks.webhook_deliveries d where d.webhook_id = h.id and d.status = 'pending') end - $3
from (select id from plausible_webhooks.webhooks where id > $1 order by id limit $2) h
cross join lateral (select count(*) as n from plausible_webhooks.webhook_deliveries d where d.webhook_id = h.id) all_of
order by h.id`

// purge deletes finished deliveries that are older than the retention, and of
// each webhook the oldest beyond mostFinished. Of several senders, one does.
func (s *Sender) purge(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, purgeTime)
	defer cancel()
	err := s.options.DB.AcquireFunc(ctx, func(conn *pgxpool.Conn) (err error) {
		mine := false
		if err := conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", int64(purgeKey)).Scan(&mine); err != nil || !mine {
			return err
		}
		// Whoever borrows the connection next must not inherit the lock; a
		// closed one holds none.
		defer func() {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
			defer cancel()
			if _, e := conn.Exec(closing, "select pg_advisory_unlock($1)", int64(purgeKey)); e != nil {
				_ = conn.Conn().Close(closing)
			}
		}()
		before := s.purged.Load()
		defer func() {
			if err == nil || s.purged.Load() > before { // Or out of time, with something done.
				s.purgedAt.Store(time.Now().UnixNano())
			}
		}()
		if err := s.purgeOld(ctx, conn); err != nil {
			return err
		}
		if now := time.Now(); now.Sub(s.counted) >= excessInterval {
			if err := s.purgeExcess(ctx, conn); err != nil {
				return err
			}
			s.counted = now
		}
		if n := s.purged.Load() - before; n > 0 {
			s.log.Debug("old deliveries deleted", "deliveries", n)
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("delete old deliveries: %w", err)
	}
	return nil // Or out of time: the rest has its turn the next time.
}

func (s *Sender) purgeOld(ctx context.Context, conn *pgxpool.Conn) error {
	if _, err := conn.Exec(ctx, undatedSQL, purgeBatch); err != nil {
		return err
	}
	return s.purgeBatches(ctx, func(from time.Time, _ int) pgx.Row {
		return conn.QueryRow(ctx, purgeOldSQL, s.options.Retention, from, purgeBatch)
	}, -1)
}

func (s *Sender) purgeExcess(ctx context.Context, conn *pgxpool.Conn) error {
	for last := int64(0); ; {
		rows, err := conn.Query(ctx, excessSQL, last, excessPage, s.mostFinished)
		if err != nil {
			return err
		}
		excess := map[int64]int{}
		var webhook int64
		var n int
		read, err := pgx.ForEachRow(rows, []any{&webhook, &n}, func() error {
			last = webhook
			if n > 0 {
				excess[webhook] = n
			}
			return nil
		})
		if err != nil {
			return err
		}
		for webhook, n := range excess {
			err := s.purgeBatches(ctx, func(from time.Time, most int) pgx.Row {
				return conn.QueryRow(ctx, purgeExcessSQL, webhook, from, most)
			}, n)
			if err != nil {
				return err
			}
		}
		if read.RowsAffected() < excessPage {
			return nil
		}
	}
}

// purgeBatches deletes batch after batch, at most so many deliveries, or all
// where that is negative.
func (s *Sender) purgeBatches(ctx context.Context, batch func(from time.Time, most int) pgx.Row, left int) error {
	for from := (time.Time{}); left != 0; {
		want := purgeBatch
		if left > 0 {
			want = min(want, left)
		}
		var n int
		var place *time.Time
		if err := batch(from, want).Scan(&n, &place); err != nil {
			return err
		}
		s.purged.Add(int64(n))
		if n < want {
			return nil
		}
		if left > 0 {
			left -= n
		}
		from = *place
		if left != 0 && !pause(ctx, purgePause) {
			return ctx.Err()
		}
	}
	return nil
}
