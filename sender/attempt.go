package sender

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/outage"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/target"
)

// doubtfulAfter is the duration from which an attempt makes its webhook
// doubtful (deploy/REFERENCE.md section 1, WEBHOOKS_CONCURRENCY).
const doubtfulAfter = time.Second

// errNotOurs means that a delivery is not to be sent by us now: it was taken
// over, cancelled or deleted, or its webhook is paused.
var errNotOurs = errors.New("the delivery is no longer to be sent")

// attempt makes one attempt: slot, record of the beginning, request. It returns
// the webhook as it was then. The error is that none was made.
func (s *Sender) attempt(stop, hard context.Context, request *http.Request, d *delivery) (outcome, *webhook, error) {
	slot, err := s.slots.take(stop, d.webhook, slotPatience)
	if err != nil {
		return outcome{}, nil, err
	}
	asked := time.Now()
	hook, err := s.begins.do(beginning{d.id, d.attempts + 1})
	if err == nil && hook == nil {
		err = errNotOurs
	}
	if err != nil {
		s.slots.giveBackUnused(slot)
		switch {
		case errors.Is(err, errNotOurs):
		case outage.Away(err):
			s.stoodStill(asked, err)
		default:
			s.log.Warn("attempt not begun: the database does not answer as it should", "delivery", d.id, "webhook", d.webhook, "error", err)
		}
		return outcome{}, nil, err
	}
	d.attempts++
	flying, land := s.held.fly(hard, d, s.covers(asked))
	result := s.request(flying, request, d, hook)
	land()
	if result.cut {
		s.slots.giveBackUnused(slot)
	} else {
		s.slots.giveBack(slot, result.succeeded() && result.duration <= doubtfulAfter)
	}
	s.attempted(d, result)
	s.logAttempt(d, hook, result)
	return result, hook, nil
}

// request signs and transmits with what the webhook is at this moment.
func (s *Sender) request(ctx context.Context, request *http.Request, d *delivery, hook *webhook) outcome {
	to, refused := s.transport.parse(ctx, hook.url)
	if refused != nil {
		return *refused
	}
	var secrets []secret.Text
	if d.format.Signed() {
		var err error
		if secrets, err = s.secretsOf(hook); err != nil {
			if ctx.Err() != nil {
				return interruption(ctx, "before this request")
			}
			if unopened(err) {
				return waits(err)
			}
			return outcome{problem: clean([]byte(err.Error()), errorBytes)}
		}
	}
	own, err := s.headersOf(hook)
	switch {
	case err != nil && unopened(err):
		return waits(err)
	case err != nil:
		// Somebody wrote it past the rules; only an edit mends it.
		return outcome{hopeless: true, problem: clean([]byte(err.Error()), errorBytes)}
	}
	out, err := s.compose(ctx, request, d, to, secrets)
	if err != nil {
		return outcome{problem: clean([]byte(err.Error()), errorBytes)}
	}
	addTo(out.Header, own)
	return s.transport.transmit(ctx, out, s.timeoutOf(hook))
}

// interruption is the outcome of an attempt that our own end cut off, or the
// end of its claim.
func interruption(ctx context.Context, when string) outcome {
	return outcome{cut: true, problem: "interrupted: " + interruptedBy(ctx) + " " + when}
}

func interruptedBy(ctx context.Context) string {
	if errors.Is(context.Cause(ctx), errClaimLapsed) {
		return errClaimLapsed.Error()
	}
	return "the sidecar was stopped"
}

// waits is the outcome where a secret or a header cannot be opened: it has
// changed since the claim, which waits for such a one.
func waits(err error) outcome {
	return outcome{cut: true, problem: clean([]byte("interrupted: "+err.Error()), errorBytes)}
}

func (s *Sender) timeoutOf(hook *webhook) time.Duration {
	if hook.timeout == nil {
		return s.options.Timeout
	}
	return time.Duration(*hook.timeout) * time.Second
}

// compose makes the real request of the one that go-retryablehttp holds: same
// body, the webhook's URL, fresh headers of ours.
func (s *Sender) compose(ctx context.Context, request *http.Request, d *delivery, to target.URL, secrets []secret.Text) (*http.Request, error) {
	m := message{id: d.id.String(), event: d.event, format: d.format, payload: []byte(d.payload)}
	header, err := m.headers(s.options.Version, s.options.Now(), secrets)
	if err != nil {
		return nil, err
	}
	address, err := url.Parse(to.Reveal())
	if err != nil {
		return nil, errors.New("the URL is not usable") // Parse's own error quotes it.
	}
	// ntfy prefers a header to the URL's query, and whoever wrote that chose.
	for name := range address.Query() {
		if event.OfNtfy(name) {
			header.Del(name)
		}
	}
	out := request.WithContext(ctx)
	out.URL, out.Host, out.Header = address, "", header
	return out, nil
}

// logAttempt tells people what happened, without the path of the URL. What a
// receiver did is a warning only when it keeps a delivery from arriving.
func (s *Sender) logAttempt(d *delivery, hook *webhook, result outcome) {
	if result.succeeded() && !s.log.IsDebug() {
		return // The common case, and nothing to put together.
	}
	fields := []any{"webhook", d.webhook, "target", target.Display(hook.url), "delivery", d.id, "event", d.event,
		"attempt", d.attempts, "duration", result.duration.Round(time.Millisecond).String()}
	if result.answered {
		fields = append(fields, "status", result.status)
	}
	if result.problem != "" {
		fields = append(fields, "error", result.problem)
	}
	switch {
	case result.succeeded():
		s.log.Debug("delivered", fields...)
	default:
		s.log.Info("attempt failed", fields...)
	}
}

// record completes an attempt; the delivery stays claimed with keep.
func (s *Sender) record(d *delivery, o outcome, v verdict, keep bool) error {
	_, err := s.results.do(result{
		id: d.id, attempt: d.attempts, outcome: o, verdict: v,
		roundAttempts: d.roundAttempts, failedRounds: d.failedRounds, keep: keep,
	})
	if err != nil {
		return fmt.Errorf("record attempt %d of delivery %s: %w", d.attempts, d.id, err)
	}
	switch {
	case d.event == string(event.WebhookTest) || o.cut:
		// Neither says anything of how the webhook does.
	case o.succeeded():
		s.suspects.succeeded(d.webhook)
	default:
		s.suspects.failed(d.webhook)
	}
	return nil
}
