package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (s *small) print(o evaluateOptions) {
	fmt.Printf(`
As its users run it: %d sites, %d triggers, %s events a day after %d days of as many (%s rows),
ClickHouse held to Plausible CE's settings, the built program in real time for %s; %d deliveries were received.

`, smallSites, s.triggers, grouped(int(smallPerDay*o.scale)), historyDays, grouped(s.rows), s.during, s.deliveries)
	times := evaluatedTooks(s.ticks)
	queries, reads := column(s.ticks, func(e evaluated) int { return e.Queries }), column(s.ticks, func(e evaluated) uint64 { return e.ReadRows })
	line := func(what, value, promise string) { fmt.Printf("  %-46s %14s   %s\n", what, value, promise) }
	line("first tick", spell(s.first.Took), "")
	line("ticks after it", grouped(len(s.ticks)), "")
	line("tick, p50", spell(quantile(times, 0.5)), "")
	line("tick, p95", spell(quantile(times, 0.95)), "promised < "+spell(smallP95Promised))
	line("tick, worst", spell(quantile(times, 1)), "")
	line("queries in a tick, p50 / most", fmt.Sprintf("%d / %d", quantile(queries, 0.5), quantile(queries, 1)), "")
	line("rows read in a tick, p50 / most", grouped(int(quantile(reads, 0.5)))+" / "+grouped(int(quantile(reads, 1))), "")
	line("processor time of the sidecar, of one core", ofCore(s.sidecar), "promised < "+ofCore(smallCPUPromised))
	line("of ClickHouse with the sidecar", ofCore(s.clickhouse.with), "")
	line("of ClickHouse without it, fed alike", ofCore(s.clickhouse.without), "")
	line("so ticks cost ClickHouse", ofCore(s.clickhouse.cost()), "promised < "+ofCore(smallCPUPromised))
	line("resident memory, at the end / at most", mebibytes(s.memory.Now)+" / "+mebibytes(s.memory.Peak), "")
	if o.queries {
		s.costs.print(fmt.Sprintf("%d sites", smallSites), len(s.ticks))
	}
}

// printGrown prints one column for each size.
func printGrown(sizes []*grown, o evaluateOptions) {
	if len(sizes) == 0 {
		return
	}
	fmt.Printf(`
Grown: %s events in %d days, then %s a day for %d hours and through a simulated hour, of which %s ticks;
a tick each 5 s of events. Evaluation had stood still for %s before the first tick. Five triggers a site: traffic.spike,
traffic.drop, goal.completed of an event and of a page, and goal.threshold.

`, grouped(int(grownHistory*o.scale)), historyDays, grouped(int(grownPerDay*o.scale)), flatHours, grouped(o.ticks), o.away)
	line := func(what string, of func(*grown) string, promise string) {
		fmt.Printf("  %-46s", what)
		for _, g := range sizes {
			fmt.Printf(" %20s", of(g))
		}
		fmt.Println("   " + promise)
	}
	at := fmt.Sprintf("promised at %s", grouped(promisedSites))
	line("sites", func(g *grown) string { return grouped(g.sites) }, at)
	line("triggers", func(g *grown) string { return grouped(g.triggers) }, "")
	line("rows in ClickHouse when the hour begins", func(g *grown) string { return grouped(g.rows) }, "")
	line("parts of its table, before / after", func(g *grown) string { return fmt.Sprintf("%d / %d", g.partsBefore, g.partsAfter) }, "")
	line("first tick", func(g *grown) string { return spell(g.first[0].Took) }, "")
	line("  its queries / rows read", func(g *grown) string { return spellReads(g.first[0]) }, "")
	line("first ticks until one was whole", func(g *grown) string { return strconv.Itoa(len(g.first) - firstTicksAfter) }, "")
	line("resident memory at most, meanwhile", func(g *grown) string { return mebibytes(g.firstMemory.Peak) }, "")
	line("ticks of the hour", func(g *grown) string { return grouped(len(g.hour)) }, "")
	line("tick, p50", func(g *grown) string { return spell(quantile(tooks(g.hour), 0.5)) }, "")
	line("tick, p95", func(g *grown) string { return spell(quantile(tooks(g.hour), 0.95)) }, "< "+spell(p95Promised))
	line("tick, worst", func(g *grown) string { return spell(quantile(tooks(g.hour), 1)) }, "")
	line("tick that evaluates everything, mean / number", func(g *grown) string {
		list := g.complete()
		if len(list) == 0 {
			return "none"
		}
		return fmt.Sprintf("%s / %d", spell(meanTook(list)), len(list))
	}, "")
	line("queries in a tick, p50 / most", func(g *grown) string {
		counts := queryCounts(g.hour)
		return fmt.Sprintf("%d / %d", quantile(counts, 0.5), quantile(counts, 1))
	}, fmt.Sprintf("at most %d", queriesPromised))
	line("rows read in a tick, p50 / most", func(g *grown) string {
		reads := column(g.hour, func(m measured) uint64 { return m.ReadRows })
		return grouped(int(quantile(reads, 0.5))) + " / " + grouped(int(quantile(reads, 1)))
	}, "")
	line("ticks that were not whole", func(g *grown) string { ticks, _ := g.troubled(); return strconv.Itoa(ticks) }, "")
	line("deliveries in a tick, p50 / most", func(g *grown) string {
		firings := column(g.hour, func(m measured) int { return m.Firings })
		return grouped(quantile(firings, 0.5)) + " / " + grouped(quantile(firings, 1))
	}, "")
	line("sites that spiked in the hour", func(g *grown) string { return grouped(g.spiked) }, "")
	line("resident memory in the hour, at the end / most", func(g *grown) string {
		return mebibytes(g.hourMemory.Now) + " / " + mebibytes(g.hourMemory.Peak)
	}, "< "+mebibytes(memoryPromised))
	line("site by site, one question: waited / engine", func(g *grown) string {
		return spell(g.oneByOne.Waited) + " / " + spell(g.oneByOne.Engine)
	}, "")
	line("  all of a tick's, extrapolated, engine alone", func(g *grown) string { return spell(g.oneByOne.All) }, "")
	line("  that is, times the mean tick", func(g *grown) string { return grouped(int(g.timesOf(meanTook(g.hour)))) }, fmt.Sprintf(">= %d", oneByOnePromised))
	line("  times the tick that evaluates everything", func(g *grown) string {
		list := g.complete()
		if len(list) == 0 {
			return "none"
		}
		return grouped(int(g.timesOf(meanTook(list))))
	}, fmt.Sprintf(">= %d", oneByOnePromised))
	fmt.Printf("\nSite by site, %s sites drawn at random were asked about; the rest is extrapolated.\n", grouped(sampledSites))
	if o.queries {
		for _, g := range sizes {
			g.firstCosts.print(grouped(g.sites)+" sites, first ticks", len(g.first))
			g.hourCosts.print(grouped(g.sites)+" sites", len(g.hour))
		}
	}
}

func spellReads(m measured) string {
	return strconv.Itoa(m.Queries) + " / " + grouped(int(m.ReadRows))
}

// column is one value of each, sorted for quantile.
func column[T any, V int | uint64 | time.Duration](list []T, value func(T) V) []V {
	values := make([]V, len(list))
	for i, one := range list {
		values[i] = value(one)
	}
	slices.Sort(values)
	return values
}

func tooks(ticks []measured) []time.Duration {
	return column(ticks, func(m measured) time.Duration { return m.Took })
}

func evaluatedTooks(ticks []evaluated) []time.Duration {
	return column(ticks, func(e evaluated) time.Duration { return e.Took })
}

func queryCounts(ticks []measured) []int {
	return column(ticks, func(m measured) int { return m.Queries })
}

func meanTook(ticks []measured) time.Duration {
	var sum time.Duration
	for _, m := range ticks {
		sum += m.Took
	}
	return sum / time.Duration(max(len(ticks), 1))
}

// spell writes a duration with as many digits as anyone reads.
func spell(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	default:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	}
}

// grouped writes a number with commas.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var parts []string
	for ; len(digits) > 3; digits = digits[:len(digits)-3] {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
	}
	return sign + strings.Join(append([]string{digits}, parts...), ",")
}

func mebibytes(bytes int64) string { return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20)) }

func ofCore(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }
