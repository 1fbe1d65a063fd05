package evaluator

import (
	"context"
	"math"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator/stats"
)

// course is one value over time and what judges it.
type course interface {
	// add takes rows; their seconds never fall, and none is before the last step.
	add(stats.Visit)
	// step evaluates at a moment, Unix seconds, and returns the value.
	step(now int64) int
}

// Bounds of the time that one question reads, in seconds, and how many rows of
// an answer its length aims at.
const (
	shortestRead = 3600
	longestRead  = 86400
	rowsPerRead  = 500_000
)

// replay sends rows and evaluations through a course in order of time. All
// times are Unix seconds.
type replay struct {
	course      course
	from        int64 // Where reading begins.
	next        int64 // The next evaluation.
	until       int64
	step        int64
	evaluations int
	rows        int
	series      *series
}

// run reads everything in stretches of time. ask hands the rows of one to each.
func (p *replay) run(ctx context.Context, progress func(done, total int64), ask func(from, before int64, each func(stats.Visit) error) error) error {
	length := int64(shortestRead)
	for from := p.from; from <= p.until; {
		before := min(from+length, p.until+1)
		answered := int64(0)
		if err := ask(from, before, func(v stats.Visit) error {
			answered++
			p.rows += v.Rows
			if err := p.through(ctx, v.Second-1); err != nil {
				return err
			}
			p.course.add(v)
			return nil
		}); err != nil {
			return err
		}
		if err := p.through(ctx, before-1); err != nil {
			return err
		}
		if progress != nil {
			progress(before-p.from, p.until+1-p.from)
		}
		from = before
		// A site without traffic soon has its days read, a busy one its hours.
		length = min(max(length*rowsPerRead/max(answered, 1), shortestRead), longestRead, 4*length)
	}
	return p.through(ctx, p.until)
}

// through evaluates up to and including a second.
func (p *replay) through(ctx context.Context, second int64) error {
	for ; p.next <= min(second, p.until); p.next += p.step {
		if p.evaluations%4096 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.series.add(p.next, p.course.step(p.next))
		p.evaluations++
	}
	return nil
}

// series gathers values in few points.
type series struct {
	since, length int64
	join          func(a, b int) int
	points        []int
	filled        []bool
	best          int
	bestAt        int64
	sums          bool
}

// newSeries makes a series of at most so many points, each of at least one
// evaluation.
func newSeries(kind event.Type, since, until, step, most int64) *series {
	span := max(until-since, 1)
	length := max((span+most-1)/most, step)
	n := (span + length - 1) / length // The last second belongs to the last.
	s := &series{since: since, length: length, points: make([]int, n), filled: make([]bool, n), bestAt: math.MinInt64}
	switch kind {
	case event.TrafficDrop:
		s.join = func(a, b int) int { return min(a, b) }
	case event.GoalCompleted:
		s.join, s.sums = func(a, b int) int { return a + b }, true
	default:
		s.join = func(a, b int) int { return max(a, b) }
	}
	return s
}

func (s *series) add(at int64, value int) {
	i := min((at-s.since)/s.length, int64(len(s.points)-1))
	if !s.filled[i] {
		s.points[i], s.filled[i] = value, true
	} else {
		s.points[i] = s.join(s.points[i], value)
	}
	if !s.sums && (s.bestAt == math.MinInt64 || s.join(s.best, value) != s.best) {
		s.best, s.bestAt = value, at
	}
}

// list leaves out stretches of time without an evaluation: the last may be too
// short for one.
func (s *series) list() []Point {
	list := make([]Point, 0, len(s.points))
	for i, value := range s.points {
		if s.filled[i] {
			list = append(list, Point{time.Unix(s.since+int64(i)*s.length, 0).UTC(), value})
		}
	}
	return list
}

func (s *series) extreme() Point {
	if !s.sums {
		return Point{time.Unix(s.bestAt, 0).UTC(), s.best}
	}
	var best Point
	for i, p := range s.list() {
		if i == 0 || p.Value > best.Value {
			best = p
		}
	}
	return best
}
