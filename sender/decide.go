package sender

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a receiver may ask us to wait (deploy/REFERENCE.md section 4).
const maxRetryAfter = 60 * time.Second

// ending is what follows an attempt.
type ending string

const (
	delivered   ending = "delivered"   // The receiver has it.
	retry       ending = "retry"       // Another attempt of this round, after a wait.
	nextRound   ending = "next round"  // The round failed; another one follows.
	failed      ending = "failed"      // The last round failed, or trying again is no use.
	gone        ending = "gone"        // Failed with 410: the webhook is disabled.
	interrupted ending = "interrupted" // Our own end cut it off: made again, no retry used up.
)

// verdict is a decision about a delivery after an attempt.
type verdict struct {
	ending ending
	wait   time.Duration // Until the next attempt; zero where none follows.
}

// progress is how far a delivery has come, the attempt in question included.
type progress struct {
	roundAttempts int // Attempts of this round that used up a try.
	failedRounds  int // Rounds that failed before this one.
}

// decide says what follows an attempt. It is pure; now is for a Retry-After
// that is a date.
func (o Options) decide(result outcome, p progress, now time.Time) verdict {
	switch {
	case result.cut:
		return verdict{ending: interrupted}
	case result.succeeded():
		return verdict{ending: delivered}
	case result.status == http.StatusGone:
		return verdict{ending: gone}
	case result.hopeless:
		return verdict{ending: failed}
	case p.roundAttempts <= o.Retries:
		return verdict{ending: retry, wait: o.waitBefore(p.roundAttempts, result, now)}
	case p.failedRounds < len(o.Redelivery):
		return verdict{ending: nextRound, wait: o.Redelivery[p.failedRounds]}
	default:
		return verdict{ending: failed}
	}
}

// waitBefore is the wait before the n-th retry of a round, n counting from 1:
// exponential, or what Retry-After of a 429 or 503 asks for, but then never
// less than the exponential wait nor more than a minute.
func (o Options) waitBefore(n int, result outcome, now time.Time) time.Duration {
	wait := min(o.RetryWaitMin, o.RetryWaitMax)
	for i := 1; i < n && wait < o.RetryWaitMax; i++ {
		// Never past the bound, which a plain doubling could overflow.
		wait += min(wait, o.RetryWaitMax-wait)
	}
	if result.status != http.StatusTooManyRequests && result.status != http.StatusServiceUnavailable {
		return wait
	}
	if asked, ok := parseRetryAfter(result.retryAfter, now); ok {
		return max(wait, min(asked, maxRetryAfter))
	}
	return wait
}

// parseRetryAfter reads delay-seconds or an HTTP date (RFC 9110, section
// 10.2.3). The result is never negative nor more than maxRetryAfter; anything
// else is no answer.
func parseRetryAfter(header string, now time.Time) (time.Duration, bool) {
	header = strings.TrimSpace(header)
	if header == "" {
		return 0, false
	}
	if strings.Trim(header, "0123456789") == "" {
		seconds, err := strconv.ParseUint(header, 10, 63)
		if err != nil || seconds > uint64(maxRetryAfter/time.Second) {
			// More digits than a number holds are a long wait all the same.
			return maxRetryAfter, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0, false
	}
	// Sub saturates, so that a date of any year is safe.
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}
