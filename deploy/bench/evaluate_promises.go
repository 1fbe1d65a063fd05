package main

import (
	"fmt"
	"time"
)

// What is promised of the small installation.
const (
	smallP95Promised = 50 * time.Millisecond
	smallCPUPromised = 0.01 // Of one core; of the sidecar, and of what its ticks cost the engine.
)

// What is promised of a grown one with promisedSites.
const (
	promisedSites    = 100_000
	p95Promised      = time.Second
	queriesPromised  = 8 // In any tick.
	memoryPromised   = 300 << 20
	oneByOnePromised = 200 // Times what a tick costs.
)

// broken has a sentence for each promise that was not kept.
func (s *small) broken() (sentences []error) {
	if p95 := quantile(evaluatedTooks(s.ticks), 0.95); p95 >= smallP95Promised {
		sentences = append(sentences, fmt.Errorf("%d sites: 95%% of ticks took up to %s, promised is less than %s", smallSites, spell(p95), spell(smallP95Promised)))
	}
	for _, c := range []struct {
		what  string
		share float64
	}{{"the sidecar used", s.sidecar}, {"its ticks cost ClickHouse", s.clickhouse.cost()}} {
		if c.share >= smallCPUPromised {
			sentences = append(sentences, fmt.Errorf("%d sites: %s %s, promised is less than %s", smallSites, c.what, ofCore(c.share), ofCore(smallCPUPromised)))
		}
	}
	return sentences
}

// broken has a sentence for each promise that was not kept, and for what makes
// the measurement itself doubtful at any size.
func (g *grown) broken() (sentences []error) {
	say := func(format string, values ...any) {
		sentences = append(sentences, fmt.Errorf("%s sites: "+format, append([]any{grouped(g.sites)}, values...)...))
	}
	if n, why := g.troubled(); n > 0 {
		say("%d ticks were not whole, one of them because: %s", n, why)
	}
	for _, m := range g.hour {
		if m.Logged != m.Queries {
			say("a tick told of %d queries, ClickHouse logged %d", m.Queries, m.Logged)
			break
		}
	}
	if g.sites != promisedSites {
		return sentences
	}
	if p95 := quantile(tooks(g.hour), 0.95); p95 >= p95Promised {
		say("95%% of ticks took up to %s, promised is less than %s", spell(p95), spell(p95Promised))
	}
	if most := quantile(queryCounts(g.hour), 1); most > queriesPromised {
		say("a tick sent %d queries, promised are at most %d", most, queriesPromised)
	}
	if g.hourMemory.Peak >= memoryPromised {
		say("%s were resident, promised is less than %s", mebibytes(g.hourMemory.Peak), mebibytes(memoryPromised))
	}
	if times := g.timesOf(meanTook(g.hour)); times < oneByOnePromised {
		say("asking site by site costs %.0f times the mean tick, promised is at least %d", times, oneByOnePromised)
	}
	if list := g.complete(); len(list) > 0 {
		if times := g.timesOf(meanTook(list)); times < oneByOnePromised {
			say("asking site by site costs %.0f times a tick that evaluates everything, promised is at least %d", times, oneByOnePromised)
		}
	}
	return sentences
}

// timesOf is how many times a tick's time the same takes site by site. It is
// the engine's time alone beside all of the tick's: nobody can say that it is the
// connection which makes single questions slow.
func (g *grown) timesOf(tick time.Duration) float64 {
	return g.oneByOne.All.Seconds() / max(tick, 1).Seconds()
}

// troubled is the number of ticks that were not whole, and why one was not.
func (g *grown) troubled() (ticks int, why string) {
	for _, m := range g.hour {
		if trouble := m.trouble(); trouble != "" {
			ticks, why = ticks+1, trouble
		}
	}
	return ticks, why
}
