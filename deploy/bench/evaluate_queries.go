package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"plausible-webhooks/deploy/devstack/stack"
)

// shapeLength is how much of a query tells it from others, and is printed.
const shapeLength = 150

var (
	shapeTime    = regexp.MustCompile(`\{(\w+):DateTime\}`)
	shapeText    = regexp.MustCompile(`unhex\('[0-9a-fA-F]*'\)`)
	shapeNumbers = regexp.MustCompile(`\b\d+\b`)
	shapeLists   = regexp.MustCompile(`(\bN|'…')(?:, ?(?:N|'…'))+`)
	shapeSpaces  = regexp.MustCompile(`\s+`)
)

// shape is the text of a query without its values. Times that are parameters
// stay, as seconds before the tick, since they tell one window from another;
// those that move with each tick are rounded.
func shape(sql string, params map[string]string, now int64) string {
	sql = shapeText.ReplaceAllString(sql, "'…'")
	sql = shapeNumbers.ReplaceAllString(sql, "N")
	sql = shapeTime.ReplaceAllStringFunc(sql, func(name string) string {
		var at int64
		if _, err := fmt.Sscan(params[shapeTime.FindStringSubmatch(name)[1]], &at); err != nil {
			return name
		}
		const rounding = 10
		return fmt.Sprintf("now-%d", (now-at+rounding/2)/rounding*rounding)
	})
	sql = shapeLists.ReplaceAllString(sql, "$1, …")
	sql = strings.TrimSpace(shapeSpaces.ReplaceAllString(sql, " "))
	if len(sql) > shapeLength {
		sql = strings.ToValidUTF8(sql[:shapeLength], "") + "…"
	}
	return sql
}

// queryCosts are what queries of each shape have cost.
type queryCosts map[string]*queryCost

type queryCost struct {
	count, refused int
	elapsed, worst time.Duration
	readRows       uint64
}

func (c queryCosts) add(q stack.Query, now int64) {
	text := shape(q.SQL, q.Params, now)
	cost := c[text]
	if cost == nil {
		cost = &queryCost{}
		c[text] = cost
	}
	cost.count++
	if q.Code != 0 {
		cost.refused++
	}
	cost.elapsed += q.Elapsed
	cost.worst = max(cost.worst, q.Elapsed)
	cost.readRows += q.ReadRows
}

// shapesShown is how many of the costliest shapes are printed.
const shapesShown = 10

// print tells which queries took the engine's time.
func (c queryCosts) print(title string, ticks int) {
	var total time.Duration
	shapes := make([]string, 0, len(c))
	for text, cost := range c {
		shapes = append(shapes, text)
		total += cost.elapsed
	}
	slices.SortFunc(shapes, func(a, b string) int { return cmp.Compare(c[b].elapsed, c[a].elapsed) })
	fmt.Printf("\n%s: %s of the engine in %d ticks\n", title, spell(total), ticks)
	fmt.Printf("%8s %10s %10s %10s %12s\n", "of it", "a tick", "mean", "worst", "rows read")
	for _, text := range shapes[:min(shapesShown, len(shapes))] {
		cost := c[text]
		note := ""
		if cost.refused > 0 {
			note = fmt.Sprintf("   %d failed", cost.refused)
		}
		fmt.Printf("%7.1f%% %10.2f %10s %10s %12s%s\n  %s\n", 100*float64(cost.elapsed)/float64(max(total, 1)),
			float64(cost.count)/float64(ticks), spell(cost.elapsed/time.Duration(cost.count)), spell(cost.worst),
			grouped(int(cost.readRows)/cost.count), note, text)
	}
}
