package main

import (
	"context"
	"path/filepath"

	"plausible-webhooks/deploy/devstack/sidecar"
)

// An installation where next to nothing happens.
const (
	quietWebhooks = 100
	quietPerDay   = 86_400 // Events of all sites. With none the engines would have no rows to look at.
)

// What is promised of the sidecar beside it.
const (
	quietCPU    = 0.01 // Of one core.
	quietMemory = 40 << 20
)

// quiet is what was seen of the sidecar while it had next to nothing to do.
type quiet struct {
	*beside
	triggers   int
	deliveries int // Received, for events come.
}

func (b *idleBed) measureQuiet(ctx context.Context) (q *quiet, err error) {
	q = &quiet{}
	if q.triggers, err = b.configure(ctx, b.engines.database, quietWebhooks, 1); err != nil {
		return nil, err
	}
	q.beside, err = measureBeside(ctx, "idle", b.engines, b.feed, b.options.during(), func() (*sidecar.Process, error) {
		return startReady(ctx, b.binary, b.environment(b.engines.database), filepath.Join(b.dir, "idle.log"))
	})
	q.deliveries = len(b.hooks.Requests(""))
	return q, err
}

func (q *quiet) promises() []promise {
	withAndWithout := func(u engineUse) string { return ofCore(u.with) + " / " + ofCore(u.without) }
	return []promise{
		{
			what: "processor time of the sidecar, of one core", value: ofCore(q.sidecar),
			wanted: "< " + ofCore(quietCPU), broken: q.sidecar >= quietCPU,
		},
		{
			what: "its resident memory at most", value: mebibytes(q.memory.Peak),
			wanted: "< " + mebibytes(quietMemory), broken: q.memory.Peak >= quietMemory,
		},
		{what: "at the end", value: mebibytes(q.memory.Now)},
		{what: "PostgreSQL with the sidecar / without it, of one core", value: withAndWithout(q.postgres)},
		{what: "ClickHouse with the sidecar / without it, fed alike", value: withAndWithout(q.clickhouse)},
	}
}
