package config

import "plausible-webhooks/config/event"

// layout is how rows of one kind are kept. What pack writes, unpack reads in
// the same order; the key stands before it.
type layout[R any] struct {
	key    func(R) key
	of     func(Change[R]) key // The key of the row that changes.
	owner  func(R) int64       // Nil: rows are not looked for by owner.
	equal  func(a, b R) bool
	pack   func(*packer, R)
	unpack func(unpacker, key) R
}

// row reads a row of a chunk.
func (l *layout[R]) row(c *chunk, i int) R {
	k, fields := c.open(i)
	return l.unpack(fields, k)
}

func byID[R any](c Change[R]) key { return key{id: c.ID} }

func same[R comparable](a, b R) bool { return a == b }

// link says that an owner has a row. The links of a table, ordered by owner,
// find its rows; there is nothing in them but the key.
type link = key

var linkLayout = &layout[link]{
	key:    func(l link) key { return l },
	of:     func(c Change[link]) key { return c.Row },
	equal:  same[link],
	pack:   func(*packer, link) {},
	unpack: func(_ unpacker, k key) link { return k },
}

var siteLayout = &layout[Site]{
	key:   func(s Site) key { return key{id: s.ID} },
	of:    byID[Site],
	equal: same[Site],
	pack: func(p *packer, s Site) {
		p.text(s.Domain)
		p.text(s.Timezone)
		p.time(s.NativeStatsStartAt)
		p.integer(s.TeamID)
	},
	unpack: func(u unpacker, k key) Site {
		return Site{ID: k.id, Domain: u.text(), Timezone: u.text(), NativeStatsStartAt: u.time(), TeamID: u.integer()}
	},
}

var goalLayout = &layout[Goal]{
	key:   func(g Goal) key { return key{id: g.ID} },
	of:    byID[Goal],
	owner: func(g Goal) int64 { return g.SiteID },
	equal: Goal.Equal,
	pack: func(p *packer, g Goal) {
		p.integer(g.SiteID)
		p.text(g.DisplayName)
		p.text(g.EventName)
		p.text(g.PagePath)
		p.integer(int64(g.ScrollThreshold))
		p.customProps(g.CustomProps)
		p.time(g.InsertedAt)
		p.time(g.UpdatedAt)
	},
	unpack: func(u unpacker, k key) Goal {
		return Goal{
			ID: k.id, SiteID: u.integer(), DisplayName: u.text(), EventName: u.text(), PagePath: u.text(),
			ScrollThreshold: int(u.integer()), CustomProps: u.customProps(), InsertedAt: u.time(), UpdatedAt: u.time(),
		}
	},
}

var notificationLayout = &layout[Notification]{
	key:   func(n Notification) key { return key{id: n.ID} },
	of:    byID[Notification],
	owner: func(n Notification) int64 { return n.SiteID },
	equal: same[Notification],
	pack: func(p *packer, n Notification) {
		p.integer(n.SiteID)
		p.text(string(n.Type))
		p.integer(int64(n.Threshold))
	},
	unpack: func(u unpacker, k key) Notification {
		return Notification{ID: k.id, SiteID: u.integer(), Type: NotificationType(u.text()), Threshold: int(u.integer())}
	},
}

var webhookLayout = &layout[Webhook]{
	key:   func(w Webhook) key { return key{id: w.ID} },
	of:    byID[Webhook],
	owner: func(w Webhook) int64 { return w.SiteID },
	equal: same[Webhook],
	pack: func(p *packer, w Webhook) {
		p.integer(w.SiteID)
		p.text(w.Name)
		p.text(string(w.Format))
		p.number(flags(w.Enabled))
		p.text(w.DisabledReason)
		p.text(w.ManagedBy)
		p.time(w.InsertedAt)
		p.time(w.RestartedAt)
	},
	unpack: func(u unpacker, k key) Webhook {
		return Webhook{
			ID: k.id, SiteID: u.integer(), Name: u.text(), Format: event.Format(u.text()), Enabled: u.number() == 1,
			DisabledReason: u.text(), ManagedBy: u.text(), InsertedAt: u.time(), RestartedAt: u.time(),
		}
	},
}

var triggerLayout = &layout[Trigger]{
	key:   func(t Trigger) key { return key{id: t.ID} },
	of:    byID[Trigger],
	owner: func(t Trigger) int64 { return t.WebhookID },
	equal: Trigger.Equal,
	pack: func(p *packer, t Trigger) {
		p.number(flags(t.Repeat, t.NotifyRecovery, t.Enabled, t.CooldownSeconds != nil))
		if t.CooldownSeconds != nil {
			p.integer(int64(*t.CooldownSeconds))
		}
		p.integer(t.WebhookID)
		p.text(string(t.Type))
		p.integer(t.GoalID)
		p.integer(int64(t.Threshold))
		p.integer(int64(t.WindowSeconds))
		p.time(t.InsertedAt)
		p.time(t.RestartedAt)
	},
	unpack: func(u unpacker, k key) Trigger {
		set := u.number()
		t := Trigger{ID: k.id, Repeat: set&1 != 0, NotifyRecovery: set&2 != 0, Enabled: set&4 != 0}
		if set&8 != 0 {
			cooldown := int(u.integer())
			t.CooldownSeconds = &cooldown
		}
		t.WebhookID, t.Type, t.GoalID = u.integer(), event.Type(u.text()), u.integer()
		t.Threshold, t.WindowSeconds = int(u.integer()), int(u.integer())
		t.InsertedAt, t.RestartedAt = u.time(), u.time()
		return t
	},
}

// flags are bits, the first one the lowest.
func flags(set ...bool) (bits uint64) {
	for i, on := range set {
		if on {
			bits |= 1 << i
		}
	}
	return bits
}
