package sender

// Counters are what a sender has done since its start, for metrics.
type Counters struct {
	DisabledFailing int64 // Webhooks disabled because nothing succeeded for too long,
	DisabledGone    int64 // and because their receiver answered 410.
	Purged          int64 // Deliveries deleted because of their age or their number.
}

// Counters returns what the sender has done up to now.
func (s *Sender) Counters() Counters {
	return Counters{DisabledFailing: s.disabledFailing.Load(), DisabledGone: s.disabledGone.Load(), Purged: s.purged.Load()}
}
