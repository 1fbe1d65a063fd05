package evaluator

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"
)

// ledger is the model of the randomised test: what deploy/REFERENCE.md
// section 5 says of a history, counted from the list of inserted rows and the
// edits of people. It shares no code with the evaluator and reads no state.
//
// Where the reference leaves room, a number is a range. The rooms are named
// where they are made; everything else is exact, at every tick.
type ledger struct {
	late, lookback int64
	rows           []*ledgerRow
	ticked         int64 // The last tick that counted goals and was committed.
	sealed         int64 // Rows up to this second that come now are too late.
	tables         config.Tables
	accounts       map[goalKey]*account
	definitions    map[int64]*definitionEntry
}

// ledgerRow is a row of events_v2. Unix seconds.
type ledgerRow struct {
	stack.Event
	at, arrived int64
	gone        bool
}

// goalKey is a trigger of completions with one goal.
type goalKey struct{ trigger, goal int64 }

// account is what one trigger may tell of one goal.
type account struct {
	asked     bool // At the last tick.
	start     int64
	seen      map[*ledgerRow]bool // Rows that were judged: counted, or left to another.
	low, high int                 // Counted and not told.
	fired     int64               // The last firing since the start.
	takenOver int64               // Up to this second rows may belong to the goal's own trigger of before.
	fallen    map[int64]int       // Rows deleted after they were counted, by second, since the last tick.
	native    int64
	scroll    scrollAccount
}

// definitionEntry is since when a goal has its definition. Rows up to never
// are of an older one; those after certain are surely not.
type definitionEntry struct {
	content        string // As last seen by a tick.
	updated        int64  // goals.updated_at as last seen.
	never, certain int64
	edited         int64 // The last edit of what it matches.
}

func newLedger(late, lookback int64) *ledger {
	return &ledger{late: late, lookback: lookback, sealed: -1, accounts: map[goalKey]*account{}, definitions: map[int64]*definitionEntry{}}
}

// edited notes when a goal's definition was edited, or made.
func (l *ledger) edited(goal, at int64) {
	if l.definitions[goal] == nil {
		l.definitions[goal] = &definitionEntry{}
	}
	l.definitions[goal].edited = at
}

// deleted notes that a person has deleted rows.
func (l *ledger) deleted(row *ledgerRow) {
	row.gone = true
	for _, a := range l.accounts {
		if a.seen[row] {
			a.fallen[row.at]++
		}
	}
}

// range of a number.
type between struct{ low, high int }

func (b between) holds(n int) bool { return b.low <= n && n <= b.high }

// count judges a tick that counted goals: the tables it saw and what it told.
// It returns what contradicts the reference.
// Scrolled: visitors of scroll goals were counted too.
func (l *ledger) count(now int64, tables config.Tables, list []told, scrolled bool) (mistakes []string) {
	wrong := func(format string, arguments ...any) { mistakes = append(mistakes, fmt.Sprintf(format, arguments...)) }
	byKey := map[goalKey][]told{}
	for _, d := range list {
		if d.Type == event.GoalCompleted {
			key := goalKey{d.Data.Trigger.ID, d.Data.Goal.ID}
			byKey[key] = append(byKey[key], d)
		}
	}
	l.look(now, tables)
	for _, t := range tables.Triggers {
		for _, g := range tables.Goals {
			key := goalKey{t.ID, g.ID}
			a := l.accounts[key]
			if a == nil {
				a = &account{seen: map[*ledgerRow]bool{}, fallen: map[int64]int{}}
				l.accounts[key] = a
			}
			if why := l.judge(now, tables, t, g, a, byKey[key], scrolled); why != "" {
				wrong("trigger %d, goal %d (%s): %s", t.ID, g.ID, definitionOf(g), why)
			}
			delete(byKey, key)
		}
	}
	for key := range byKey {
		wrong("told of trigger %d and goal %d, which are no more", key.trigger, key.goal)
	}
	l.tables, l.ticked, l.sealed = tables, now, max(l.sealed, now-l.late)
	return mistakes
}

// judge judges what a tick told of one trigger and goal.
func (l *ledger) judge(now int64, tables config.Tables, t config.Trigger, g config.Goal, a *account, list []told, scrolled bool) string {
	w := tables.Webhooks[t.WebhookID]
	site, exists := tables.Sites[g.SiteID]
	if exists && t.Type == event.GoalCompleted && t.GoalID == 0 {
		l.leave(now, tables, t, g, a)
	}
	if !exists || t.Type != event.GoalCompleted || !asks(tables, t, g) {
		// Room: what was counted but held back by a cooldown may be told once
		// the trigger applies again, or be forgotten with the time it did not.
		a.asked, a.low = false, 0
		if len(list) > 0 {
			return "told although it does not apply"
		}
		return ""
	}
	native := seconds(site.NativeStatsStartAt.Unix(), site.NativeStatsStartAt.IsZero())
	if start := started(t, w); !a.asked || a.start != start || a.native != native {
		a.low = 0 // The same room.
		if a.start != start {
			a.fired = 0 // Room: a trigger switched on again may fire at once.
		}
		if _, before := l.tables.Triggers[t.ID]; before && ownTrigger(l.tables, t, g) {
			// Room: rows of the time when nobody looked may count as the own
			// trigger's, which is gone.
			a.takenOver = now
		}
		a.start, a.native = start, native
	}
	a.asked = true
	if len(list) > 1 && g.Kind() != config.GoalScroll { // Room: what has waited and what has newly come.
		return fmt.Sprintf("told %d times in one tick", len(list))
	}
	cooldown := 0
	if t.CooldownSeconds != nil {
		cooldown = *t.CooldownSeconds
	}
	cooled := a.fired == 0 || now-a.fired >= int64(cooldown)
	for _, d := range list {
		if why := l.held(a, g, now, d, cooled); why != "" {
			return why
		}
	}
	if len(list) > 0 {
		a.fired = now
	}
	if g.Kind() == config.GoalScroll {
		return l.judgeScroll(now, site, g, a, list, !cooled || !scrolled || (len(list) > 0 && cooldown > 0))
	}
	fresh := l.fresh(now, g, a)
	a.low, a.high = a.low+fresh.low, a.high+fresh.high+a.scroll.leave()
	switch {
	case len(list) > 0 && !(between{a.low, a.high}).holds(list[0].Data.Conversions):
		return fmt.Sprintf("told %d conversions, want %d to %d", list[0].Data.Conversions, a.low, a.high)
	case len(list) > 0:
		a.low, a.high = 0, 0
	case cooled && a.low > 0:
		return fmt.Sprintf("told nothing, want %d to %d conversions", a.low, a.high)
	case cooled:
		a.high = 0
	}
	return ""
}

// leave leaves to a goal's own trigger what that counts: it is never the
// other's. Room: what it does not count, being disabled or younger, may become
// the other's once it is gone.
func (l *ledger) leave(now int64, tables config.Tables, all config.Trigger, g config.Goal, a *account) {
	for _, own := range tables.Triggers {
		if own.WebhookID != all.WebhookID || own.Type != all.Type || own.GoalID != g.ID || !asks(tables, own, g) {
			continue
		}
		since := started(own, tables.Webhooks[own.WebhookID])
		for _, r := range l.rows {
			if r.SiteID == uint64(g.SiteID) && r.at > since && r.at <= now && r.at >= now-l.lookback && !r.gone && completes(g, r) {
				a.seen[r] = true
			}
		}
	}
}

// held holds a firing to everything but the number of its conversions.
func (l *ledger) held(a *account, g config.Goal, now int64, d told, cooled bool) string {
	from, to := d.Data.Period.From.Unix(), d.Data.Period.To.Unix()
	switch {
	case !cooled:
		return fmt.Sprintf("fired %d s after the last, within the cooldown", now-a.fired)
	case from <= a.start:
		return fmt.Sprintf("period from %d, but the trigger started at %d", from, a.start)
	case to < from || to > now:
		return fmt.Sprintf("period %d to %d at %d", from, to, now)
	}
	if from <= l.definitions[g.ID].certain {
		return "" // Counted by a definition that is no longer known.
	}
	users := map[uint64]bool{}
	for _, r := range l.rows {
		if !r.gone && r.SiteID == uint64(g.SiteID) && r.at >= from && r.at <= to && completes(g, r) {
			users[r.UserID] = true
		}
	}
	if *d.Data.Visitors != len(users) {
		return fmt.Sprintf("told %d visitors of the period, want %d", *d.Data.Visitors, len(users))
	}
	return ""
}

// fresh is how many rows are to be counted now.
func (l *ledger) fresh(now int64, g config.Goal, a *account) (n between) {
	certain := map[int64]int{}
	for _, r := range l.rows {
		if counts, sure := l.counts(now, g, a, r); counts {
			a.seen[r] = true
			n.high++
			if sure {
				certain[r.at]++
			}
		}
	}
	for at, rows := range certain {
		// Room: a row that replaces a deleted one of its second cannot be told
		// from it, for Plausible's rows have no identity.
		n.low += max(0, rows-a.fallen[at])
	}
	clear(a.fallen)
	return n
}

// counts reports whether a row is to be counted now, and whether it surely is.
func (l *ledger) counts(now int64, g config.Goal, a *account, r *ledgerRow) (counts, sure bool) {
	def := l.definitions[g.ID]
	switch {
	case r.SiteID != uint64(g.SiteID), r.gone, r.at > now:
		return false, false
	case r.at <= a.start, r.at <= def.never, r.at < a.native, r.at < now-l.lookback:
		return false, false
	case a.seen[r], !completes(g, r):
		return false, false
	}
	lateness := r.arrived - r.at
	if r.at <= l.sealed && lateness != l.late {
		// In time, but judged by no tick that sealed it: lost, unless it was left
		// to a goal's own trigger.
		return lateness < l.late, lateness < l.late && r.at > a.takenOver
	}
	sure = lateness <= l.late && // Room: later than permitted, but no tick came in between that could know.
		r.at > l.sealed && // Room: exactly as late as permitted, but after a tick of the same second.
		r.at > now-l.lookback && // Room: exactly as old as the lookback, to the second.
		r.at > def.certain && r.at > a.takenOver
	return true, sure
}

// look notes the definitions that a tick sees.
func (l *ledger) look(now int64, tables config.Tables) {
	for _, g := range tables.Goals {
		tracked := false
		for _, t := range tables.Triggers {
			tracked = tracked || (t.Type.AboutGoal() && asks(tables, t, g))
		}
		if !tracked {
			continue
		}
		d := l.definitions[g.ID]
		content, updated := definitionOf(g), max(g.UpdatedAt.Unix(), g.InsertedAt.Unix())
		switch {
		case d.content != content && updated > d.updated:
			// Room: updated_at was bumped, by the edit or by a new name since.
			d.never, d.certain = min(d.edited, updated), max(d.edited, updated, l.ticked)
		case d.content != content:
			d.never, d.certain = d.edited, now // Room: without updated_at nobody knows when.
		case d.edited > d.certain:
			d.certain = d.edited // Room: edited to and fro between two ticks.
		}
		d.content, d.updated = content, updated
	}
}

// keepDefinitions returns what undoes a look.
func (l *ledger) keepDefinitions() (restore func()) {
	kept := map[int64]definitionEntry{}
	for goal, d := range l.definitions {
		kept[goal] = *d
	}
	return func() {
		for goal, d := range kept {
			*l.definitions[goal] = d
		}
	}
}

// definitionOf is what decides which rows complete a goal.
func definitionOf(g config.Goal) string {
	return fmt.Sprintf("%s%s %d %v", g.EventName, g.PagePath, g.ScrollThreshold, g.CustomProps)
}

// completes reports whether a row completes a goal of its site, as Plausible
// defines it.
func completes(g config.Goal, r *ledgerRow) bool {
	for key, want := range g.CustomProps {
		if r.Props[key] != want {
			return false
		}
	}
	switch g.Kind() {
	case config.GoalEvent:
		return r.Name == g.EventName
	case config.GoalPage:
		return r.Name == "pageview" && onPathOf(g.PagePath, r.Pathname)
	default:
		return r.Name == "engagement" && r.ScrollDepth <= 100 && int(r.ScrollDepth) >= g.ScrollThreshold && onPathOf(g.PagePath, r.Pathname)
	}
}

var patterns sync.Map // Of paths with wildcards.

func onPathOf(path, pathname string) bool {
	if !strings.Contains(path, "*") {
		return path == pathname
	}
	pattern, known := patterns.Load(path)
	if !known {
		pattern, _ = patterns.LoadOrStore(path, regexp.MustCompile("^"+strings.ReplaceAll(regexp.QuoteMeta(path), `\*`, ".*")+"$"))
	}
	return pattern.(*regexp.Regexp).MatchString(pathname)
}

// asks reports whether a trigger about goals applies to a goal.
func asks(tables config.Tables, t config.Trigger, g config.Goal) bool {
	w, exists := tables.Webhooks[t.WebhookID]
	paused := !w.Enabled && w.DisabledReason == ""
	switch {
	case !exists || paused || !t.Enabled || !t.Type.AboutGoal():
		return false
	case w.SiteID != 0 && w.SiteID != g.SiteID:
		return false
	case t.GoalID != 0:
		return t.GoalID == g.ID
	}
	return !ownTrigger(tables, t, g)
}

// ownTrigger reports whether a trigger of all goals leaves a goal to another
// one on its webhook.
func ownTrigger(tables config.Tables, all config.Trigger, g config.Goal) bool {
	return all.GoalID == 0 && slices.ContainsFunc(slices.Collect(maps.Values(tables.Triggers)), func(t config.Trigger) bool {
		return t.WebhookID == all.WebhookID && t.Type == all.Type && t.GoalID == g.ID
	})
}

// started is the second of a trigger's start.
func started(t config.Trigger, w config.Webhook) int64 {
	return max(t.InsertedAt.Unix(), seconds(t.RestartedAt.Unix(), t.RestartedAt.IsZero()), seconds(w.RestartedAt.Unix(), w.RestartedAt.IsZero()))
}

func seconds(at int64, none bool) int64 {
	if none {
		return 0
	}
	return at
}
