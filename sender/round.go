package sender

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// slotPatience is how long a delivery waits for a slot before it goes back to
// the table, where another sender may find it.
const slotPatience = 10 * time.Second

// maxWaitInMemory is the longest wait between attempts that is worth a place
// in memory; the table does for others, to the precision of polling.
const maxWaitInMemory = 15 * time.Second

// nowhere stands for the receiver in what go-retryablehttp and net/http see, so
// that none of their errors can quote a URL. The attempt itself is made with
// the URL that the webhook has at that moment.
const nowhere = "https://receiver.invalid/"

// round runs the attempts of one delivery through go-retryablehttp. It is the
// round tripper of its own client, so that each attempt takes its slot, is
// signed and is recorded where it happens. The functions are the stages of an
// attempt.
type round struct {
	options  Options
	delivery *delivery
	stop     context.Context // Ends slot waits and waits between attempts.

	attempt func(*http.Request, *delivery) (outcome, error) // Recorded as begun, transmitted.
	record  func(*delivery, outcome, verdict, bool) error   // Completed; the flag: still claimed.
	waits   interface {
		beginWait(*delivery) bool
		endWait(*delivery)
	}

	verdict  verdict
	ended    time.Time // The last attempt; the wait before the next counts from it.
	released bool      // The row is finished, or given back already.
	waiting  bool
}

// run makes attempts until the delivery is finished, given back or the sender
// stops. Whatever it returns with, released tells whether the row is still
// claimed.
func (r *round) run() {
	client := retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     r,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryWaitMin: r.options.RetryWaitMin,
		RetryWaitMax: r.options.RetryWaitMax,
		RetryMax:     r.options.Retries, // An upper bound: the verdict ends a round that was resumed.
		CheckRetry:   r.checkRetry,
		Backoff: func(_, _ time.Duration, _ int, _ *http.Response) time.Duration {
			return r.verdict.wait - time.Since(r.ended)
		},
		PrepareRetry: func(*http.Request) error { return r.stop.Err() },
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	request, err := retryablehttp.NewRequestWithContext(r.stop, http.MethodPost, nowhere, []byte(r.delivery.payload))
	if err != nil {
		return // The method and the URL are constants.
	}
	answer, err := client.Do(request)
	if err == nil && answer != nil {
		_ = answer.Body.Close()
	}
	r.endWait()
}

func (r *round) checkRetry(context.Context, *http.Response, error) (bool, error) {
	return r.verdict.ending == retry && !r.released, nil
}

func (r *round) endWait() {
	if r.waiting {
		r.waiting = false
		r.waits.endWait(r.delivery)
	}
}

// RoundTrip makes one attempt, decides what follows and has it recorded. Its
// answer is a stub: what the receiver said stands in the outcome.
func (r *round) RoundTrip(request *http.Request) (*http.Response, error) {
	r.endWait()
	r.verdict = verdict{}
	result, err := r.attempt(request, r.delivery)
	if err != nil {
		return nil, err
	}
	r.ended = time.Now()
	if !result.cut {
		r.delivery.roundAttempts++
	}
	r.verdict = r.options.decide(result, progress{r.delivery.roundAttempts, r.delivery.failedRounds}, r.options.Now())
	keep := r.verdict.ending == retry && r.verdict.wait <= maxWaitInMemory && r.stop.Err() == nil && r.waits.beginWait(r.delivery)
	r.waiting = keep
	if r.verdict.ending == nextRound || r.verdict.ending == failed || r.verdict.ending == gone {
		r.delivery.failedRounds++
	}
	if r.verdict.ending == nextRound {
		r.delivery.roundAttempts = 0
	}
	if err := r.record(r.delivery, result, r.verdict, keep); err != nil {
		r.verdict = verdict{}
		return nil, fmt.Errorf("record attempt: %w", err)
	}
	r.released = !keep
	if !result.answered {
		return nil, errNoAnswer
	}
	return &http.Response{
		StatusCode: result.status, ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header), Body: http.NoBody, Request: request,
	}, nil
}

var errNoAnswer = errors.New("no answer")
