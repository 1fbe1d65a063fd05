package env

import (
	"fmt"
	"strconv"
	"time"
)

const (
	maxRedelivery   = 720 * time.Hour // A month: what is older is of no use.
	maxRedeliveries = 50
)

// durationBounds are inclusive.
type durationBounds struct {
	value    func(*Settings) time.Duration
	min, max time.Duration
	example  string
}

var durations = map[string]durationBounds{
	// Plausible itself writes every five seconds; below one, ClickHouse would
	// be busy with us alone.
	"WEBHOOKS_POLL_INTERVAL": {func(s *Settings) time.Duration { return s.PollInterval }, time.Second, time.Hour, "5s or 2m"},
	// Above a month, the first query after a long stop reads without end.
	"WEBHOOKS_LOOKBACK": {func(s *Settings) time.Duration { return s.Lookback }, time.Second, 720 * time.Hour, "24h"},
	// Buckets that late are read again at each evaluation.
	"WEBHOOKS_LATE_EVENTS":    {func(s *Settings) time.Duration { return s.LateEvents }, time.Second, 24 * time.Hour, "2m"},
	"WEBHOOKS_RETRY_WAIT_MIN": {func(s *Settings) time.Duration { return s.RetryWaitMin }, time.Millisecond, time.Hour, "1s"},
	"WEBHOOKS_RETRY_WAIT_MAX": {func(s *Settings) time.Duration { return s.RetryWaitMax }, time.Millisecond, time.Hour, "4s"},
	"WEBHOOKS_DISABLE_AFTER":  {func(s *Settings) time.Duration { return s.DisableAfter }, 0, 8760 * time.Hour, "120h, 0 for never"},
	// One attempt must end well within a lease, and a slower receiver should
	// answer first and work later.
	"WEBHOOKS_TIMEOUT":   {func(s *Settings) time.Duration { return s.Timeout }, time.Second, 30 * time.Second, "5s"},
	"WEBHOOKS_RETENTION": {func(s *Settings) time.Duration { return s.Retention }, time.Second, 87600 * time.Hour, "720h"},
}

func (b durationBounds) want() string {
	if b.min == 0 {
		return fmt.Sprintf("a duration such as %s (at most %s)", b.example, short(b.max))
	}
	return fmt.Sprintf("a duration such as %s (at least %s, at most %s)", b.example, short(b.min), short(b.max))
}

// short writes a duration as a person would: 1h, not 1h0m0s.
func short(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	case d >= time.Minute && d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	default:
		return d.String()
	}
}

// numberBounds are inclusive.
type numberBounds struct {
	value    func(*Settings) int
	min, max int
}

var numbers = map[string]numberBounds{
	// Beyond ten, WEBHOOKS_REDELIVERY is the better tool: a round holds its row.
	"WEBHOOKS_RETRIES": {func(s *Settings) int { return s.Retries }, 0, 10},
	// Each takes a connection and its buffers.
	"WEBHOOKS_CONCURRENCY":             {func(s *Settings) int { return s.Concurrency }, 1, 10_000},
	"WEBHOOKS_CONCURRENCY_PER_WEBHOOK": {func(s *Settings) int { return s.ConcurrencyPerWebhook }, 1, 1_000},
	"WEBHOOKS_MAX_PER_SITE":            {func(s *Settings) int { return s.MaxPerSite }, 1, 1_000},
}

func (b numberBounds) want() string {
	return fmt.Sprintf("a whole number from %d to %d", b.min, b.max)
}

// wantBounds is what a variable with bounds wants.
func wantBounds(variable string) (string, bool) {
	if b, ok := durations[variable]; ok {
		return b.want(), true
	}
	if b, ok := numbers[variable]; ok {
		return b.want(), true
	}
	return "", false
}
