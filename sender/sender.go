package sender

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/outage"
)

const (
	// leaseTime is how long a claim holds without renewal: what a crashed
	// sidecar held is taken over after it, so within half a minute, however
	// long an attempt may take.
	leaseTime = 20 * time.Second

	// Parts of a lease. Claims are renewed each quarter of it, so that two
	// renewals may fail. A statement that has no answer after half of it is
	// given up, as a connection that hangs would be waited for without end. An
	// attempt is cut when a tenth is left: before anybody else can begin.
	renewalsPerLease   = 4
	statementsPerLease = 2
	marginsPerLease    = 10

	settleInterval = 5 * time.Second

	// taskLimit is for what is done now and then, against a database that
	// hangs: nothing takes so long otherwise.
	taskLimit = 5 * time.Minute

	// stopPatience is how long attempts in flight may go on after the end was
	// asked for (deploy/REFERENCE.md section 2), lastWrites how long their records may
	// take then. Container runtimes kill after ten seconds.
	stopPatience = 8 * time.Second
	lastWrites   = 1500 * time.Millisecond
)

// Sender sends what is due. Make it with New; run it once.
type Sender struct {
	options   Options
	log       hclog.Logger
	lease     time.Duration
	transport *transport
	slots     *slots
	held      *held

	secrets  *batch[newSecret, string]
	begins   *batch[beginning, *webhook]
	results  *batch[result, struct{}]
	releases *batch[beginning, struct{}]

	wake    chan struct{} // Somebody inserted deliveries of any webhooks,
	noticed *noticed      // or of those.
	cursor  int64         // The webhook after which the next look at the queue begins.

	suspects *suspects
	searched time.Time // When the log was last searched for suspects.

	counted      time.Time // When each webhook's deliveries were last counted.
	mostFinished int       // Kept of one webhook.

	disabledFailing, disabledGone, purged atomic.Int64
	purgedAt                              atomic.Int64 // Unix nanoseconds; zero: never.

	database outage.Outage // Why the queue stands still.

	warned    sync.Map // Complaints about secrets that were logged.
	explained sync.Map // When deliveries of those webhooks were last told why they wait.

	killOnce sync.Once
	killed   chan struct{} // Closed by tests: everything ends at once, as in a crash.
}

// New returns a Sender that does nothing yet. See Options for what must be set.
func New(o Options) *Sender {
	o = o.filled()
	s := &Sender{
		options:   o,
		log:       o.Logger,
		lease:     leaseTime,
		transport: newTransport(o, nil),
		slots:     newSlots(o.Concurrency, o.ConcurrencyPerWebhook),
		suspects:  newSuspects(),
		wake:      make(chan struct{}, 1),
		killed:    make(chan struct{}),

		mostFinished: mostFinished,
	}
	s.noticed = newNoticed(s.Wake)
	s.held = newHeld(o, s.slots.standingOf, s.noticed.add, s.Wake)
	s.secrets = newBatch(false, limited(s, s.storeSecrets))
	s.begins = newBatch(false, limited(s, s.beginAll))
	s.results = newBatch(true, limited(s, s.recordAll))
	s.releases = newBatch(true, limited(s, s.releaseAll))
	return s
}

// Wake has the queue looked at now. It never blocks, and may be called at any
// time by anybody.
func (s *Sender) Wake() { signal(s.wake) }

// statementLimit is how long a statement of the queue may take.
func (s *Sender) statementLimit() time.Duration { return s.lease / statementsPerLease }

// limited gives up a statement that takes too long. What became of it is then
// unknown: a claim may be left that nobody holds, which lapses, and an attempt
// begun that was not made, which is closed by whoever claims the delivery next.
func limited[Q, A any](s *Sender, run func(context.Context, []Q) ([]A, error)) func(context.Context, []Q) ([]A, error) {
	return func(ctx context.Context, questions []Q) ([]A, error) {
		ctx, cancel := context.WithTimeout(ctx, s.statementLimit())
		defer cancel()
		return run(ctx, questions)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends. Then it claims no more, ends waits and gives their
// deliveries back, lets attempts in flight finish for at most 8 s, records
// what became of them and returns nil. A database that is away is waited for.
// Run may be called once.
func (s *Sender) Run(ctx context.Context) error {
	stop, cancelStop := context.WithCancel(ctx)
	hard, cancelHard := context.WithCancel(context.WithoutCancel(ctx))
	writes, cancelWrites := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelStop()
	defer cancelHard()
	defer cancelWrites()

	s.secrets.start(writes)
	s.begins.start(writes)
	s.results.start(writes)
	s.releases.start(writes)
	var background, deliveries sync.WaitGroup
	finished := make(chan struct{})
	background.Go(func() {
		select {
		case <-s.killed:
			cancelWrites()
			cancelHard()
			cancelStop()
		case <-finished:
		}
	})
	background.Go(func() { s.keepListening(stop) })
	background.Go(func() {
		s.again(hard, finished, &chore{name: "renewing claims", every: s.lease / renewalsPerLease}, s.renew)
	})
	background.Go(func() {
		s.again(stop, finished, &chore{name: "settling the queue", every: settleInterval, after: s.options.ChoresAfter}, s.settle)
	})
	background.Go(func() {
		s.again(stop, finished, &chore{name: "looking for failing webhooks", every: failingInterval, after: s.options.ChoresAfter}, s.disableFailing)
	})
	background.Go(func() {
		s.again(stop, finished, &chore{name: "deleting old deliveries", every: purgeInterval, after: s.options.ChoresAfter}, s.purge)
	})

	s.claimLoop(stop, hard, writes, &deliveries)

	cut := time.AfterFunc(stopPatience, cancelHard)
	giveUp := time.AfterFunc(stopPatience+lastWrites, cancelWrites)
	deliveries.Wait()
	cut.Stop()
	giveUp.Stop()
	close(finished)
	background.Wait()
	s.secrets.stop()
	s.begins.stop()
	s.results.stop()
	s.releases.stop()
	s.transport.close()
	return nil
}

// claimLoop claims and starts rounds until stop ends.
func (s *Sender) claimLoop(stop, hard, writes context.Context, deliveries *sync.WaitGroup) {
	poll := time.NewTicker(s.options.PollInterval)
	defer poll.Stop()
	var only []int64 // Nil: all webhooks have their turn.
	for {
		asked := time.Now()
		claimed, again, err := s.claimSoon(stop, only)
		switch {
		case stop.Err() != nil:
		case err != nil:
			s.stoodStill(asked, err)
		default:
			s.worked()
		}
		for _, d := range claimed {
			deliveries.Go(func() { s.deliver(stop, hard, writes, d) })
		}
		if again {
			continue // With the same ones, or with those after the cursor.
		}
		only = nil
		select {
		case <-stop.Done():
			return
		case <-poll.C:
		case <-s.wake:
		case <-s.noticed.some:
			only = s.noticed.take()
		}
	}
}

// deliver runs one delivery's round and gives its claim back unless the round
// ended it.
func (s *Sender) deliver(stop, hard, writes context.Context, d *delivery) {
	var hook *webhook
	var last outcome
	r := round{
		options: s.options, delivery: d, stop: stop, waits: s.held,
		attempt: func(request *http.Request, d *delivery) (_ outcome, err error) {
			last, hook, err = s.attempt(stop, hard, request, d)
			return last, err
		},
		record: s.record,
	}
	r.run()
	if !r.released {
		if _, err := s.releases.do(beginning{d.id, d.attempts}); err != nil && !outage.Away(err) {
			s.log.Warn("claim not given back, it lapses by itself", "delivery", d.id, "error", err)
		}
	}
	if r.verdict.ending == gone && r.released && hook != nil {
		err := s.disable(writes, disabling{
			webhook: hook.id, url: hook.url, reason: event.Gone, lastStatus: &last.status, lastError: textOrNull(last.problem),
		})
		if err != nil {
			s.log.Error("webhook answered 410 Gone and could not be disabled; the next 410 will", "webhook", d.webhook, "error", err)
		}
	}
	s.held.drop(d)
}

// again does a chore for the first time when it is to be, and then at each of
// its intervals, until ctx ends or the sender is finished. An error is for the
// log: the next time may do.
func (s *Sender) again(ctx context.Context, finished <-chan struct{}, c *chore, do func(context.Context) error) {
	if c.after > 0 {
		select {
		case <-time.After(c.after):
		case <-ctx.Done():
			return
		case <-finished:
			return
		}
	}
	ticker := time.NewTicker(c.every)
	defer ticker.Stop()
	for {
		began := time.Now()
		if err := within(ctx, taskLimit, do); ctx.Err() == nil {
			s.done(c, began, err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		case <-finished:
			return
		}
	}
}

func within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return do(ctx)
}
