package cdc

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"

	"plausible-webhooks/config"
)

// Source is how an operator wants the configuration to be followed.
type Source string

// The sources, as WEBHOOKS_CONFIG_SOURCE names them.
const (
	SourceAuto        Source = "auto"        // Replication where the server allows it, else polling.
	SourceReplication Source = "replication" // Replication; while it does not work, polling goes on but counts as unhealthy.
	SourcePoll        Source = "poll"        // Polling alone.
)

// Defaults of Options.
const (
	DefaultPollInterval      = 5 * time.Second
	DefaultReconcileInterval = 3 * time.Minute
	DefaultRetryInterval     = time.Minute
	DefaultSlotTimeout       = 10 * time.Second
)

// Options set up a Follower. Zero durations stand for the defaults.
type Options struct {
	// Connect leads to Plausible's database, directly: a pooler breaks
	// replication. It is copied, not changed.
	Connect *pgx.ConnConfig
	Source  Source // Empty: SourceAuto.

	PollInterval      time.Duration // Between two reads while polling.
	ReconcileInterval time.Duration // Between two comparing reads during replication, and two looks at deleted and transferred sites.
	RetryInterval     time.Duration // Until replication that the server does not allow is tried again.
	SlotTimeout       time.Duration // How long the slot may wait for running transactions.

	Log hclog.Logger     // Nil: none.
	Now func() time.Time // Nil: time.Now. Used for the status alone.
}

// Follower keeps a view of the configuration.
type Follower struct {
	options Options
	hooks   hooks
	rhythm  rhythm

	view atomic.Pointer[config.View]

	// mu orders everything that makes a view, and guards the fields below.
	mu          sync.Mutex
	streaming   *live // The session whose stream feeds the view; nil while polling.
	state       state // What the view shows.
	ownersMoved bool  // Sites or webhooks have changed since custody last looked.
	compareSoon bool  // The stream has seen a sign of silent changes.

	statusMu sync.Mutex
	status   Status

	subscribersMu sync.Mutex
	subscribers   map[chan struct{}]struct{}

	wake chan struct{} // Of size one: the supervisor looks at what is due.
}

// hooks let tests wait for what has no other outward sign. Nil in production.
type hooks struct {
	status   func()
	compared func(found []Difference, err error)
	custody  func(error)
	slot     func(name string)
}

// New returns a follower that does nothing until Run.
func New(options Options) *Follower {
	if options.Source == "" {
		options.Source = SourceAuto
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&options.PollInterval, DefaultPollInterval},
		{&options.ReconcileInterval, DefaultReconcileInterval},
		{&options.RetryInterval, DefaultRetryInterval},
		{&options.SlotTimeout, DefaultSlotTimeout},
	} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
	if options.Log == nil {
		options.Log = hclog.NewNullLogger()
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Follower{
		options:     options,
		rhythm:      normalRhythm,
		state:       emptyState(),
		status:      Status{Mode: ModePoll, Reason: "the configuration has not been read yet", Since: options.Now()},
		subscribers: make(map[chan struct{}]struct{}),
		wake:        make(chan struct{}, 1),
	}
}

// View returns the present view, nil before the first. It never blocks.
func (f *Follower) View() *config.View { return f.view.Load() }

// Subscribe returns a channel that receives after every change of the view,
// and at once if there is a view already. Changes that nobody received yet
// coalesce into one. Call cancel when done.
func (f *Follower) Subscribe() (changed <-chan struct{}, cancel func()) {
	ch := make(chan struct{}, 1)
	f.subscribersMu.Lock()
	f.subscribers[ch] = struct{}{}
	f.subscribersMu.Unlock()
	if f.View() != nil {
		signal(ch)
	}
	return ch, func() {
		f.subscribersMu.Lock()
		defer f.subscribersMu.Unlock()
		delete(f.subscribers, ch)
	}
}

// signal leaves a token that says "look again"; one is enough.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// publish makes a new view of a state; the caller holds f.mu. Nothing happens
// if the view shows it already.
func (f *Follower) publish(now state) {
	was, view := f.state, f.View()
	f.state = now
	changed := changedTables(was.State, now.State)
	if view != nil && len(changed) == 0 {
		return
	}
	f.view.Store(view.Next(now.State))
	f.moved()
	if view != nil {
		f.tell(changed, was.Webhooks != now.Webhooks || was.Triggers != now.Triggers)
	}
	if view == nil || was.Sites != now.Sites || was.Webhooks != now.Webhooks {
		f.ownersMoved = true
		signal(f.wake)
	}
	f.subscribersMu.Lock()
	defer f.subscribersMu.Unlock()
	for ch := range f.subscribers {
		signal(ch)
	}
}

// changedTables names the tables in which two states differ.
func changedTables(was, now config.State) (names []string) {
	for _, table := range []struct {
		name    string
		changed bool
	}{
		{"sites", was.Sites != now.Sites}, {"goals", was.Goals != now.Goals}, {"notifications", was.Notifications != now.Notifications},
		{"webhooks", was.Webhooks != now.Webhooks}, {"triggers", was.Triggers != now.Triggers},
	} {
		if table.changed {
			names = append(names, table.name)
		}
	}
	return names
}

// tell logs which tables have changed: for operators where it is our own, for
// whoever looks closely where Plausible changes its sites and goals all day.
func (f *Follower) tell(tables []string, ours bool) {
	level := hclog.Debug
	if ours {
		level = hclog.Info
	}
	f.options.Log.Log(level, "configuration changed", "tables", strings.Join(tables, ", "), "revision", f.View().Revision)
}

// known is the state that the view shows, from which a read begins.
func (f *Follower) known() state {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// Run follows the configuration until ctx ends, and then returns nil. All that
// goes wrong meanwhile shows in Status and in the log. It is called once.
func (f *Follower) Run(ctx context.Context) error {
	s := newSupervisor(f)
	defer s.stop()
	s.run(ctx)
	return nil
}
