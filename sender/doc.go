// Package sender takes deliveries from the queue, sends them as signed
// requests, and writes down what became of each.
//
// Remit: claiming, signing, the guard of addresses, attempts and their
// retries, the records of them, and the delivery log that commands and pages
// read, and what follows from them: a webhook to which nothing succeeds any
// more is disabled, and others are told. Its limit: it knows nothing of
// triggers, and renders no event but webhook.disabled; a payload is bytes to it.
//
// # Terms
//
//   - A delivery is one event on its way to one webhook: a row of
//     webhook_deliveries, which is queue and log in one.
//   - An attempt is one HTTP request of it. It takes a slot from before its
//     record is begun until its last byte is read.
//   - A round is an attempt with its retries. It runs in one goroutine through
//     go-retryablehttp; a wait holds no slot.
//   - A claim is a lease on a delivery: claimed_until, renewed while the
//     process holds the row. When it lapses, any sender may take over. It is
//     short, so that a crash is found out soon; an attempt may take longer, and
//     lasts as long as its claim is renewed.
//   - A notice is the database's word that somebody has inserted deliveries of a
//     webhook: it has that webhook's queue looked at, and no other. Polling finds
//     what no notice tells of, such as a row whose time has come.
//   - A webhook is proven when its last attempt succeeded within a second,
//     doubtful when it did not, and untried before its first in this process.
//     Doubtful webhooks share at most half of the slots, and of what is held;
//     together with untried ones they leave a quarter to those that are proven.
//   - A webhook is a suspect when an attempt has failed since the last that
//     succeeded: it may have to be disabled as failing. The log decides.
//
// # A delivery's states
//
//	pending, not claimed ──claim──▶ held ──round──▶ delivered | failed
//	        ▲                        │
//	        └── released: stop, between rounds, webhook paused, no slot in 10 s
//
// # Invariants
//
//   - No request goes out before its attempt row is committed.
//   - Attempt numbers of a delivery are never used twice: an attempt begins by
//     moving webhook_deliveries.attempts from n-1 to n, which fails for whoever
//     lost the delivery to another sender.
//   - An attempt ends before its claim does: it is cut when the claim cannot be
//     renewed, as the database is away or has given the delivery to another
//     sender. So a lapsed lease can repeat a request one after the other, but
//     never two at once.
//   - No statement of the queue is waited for without end.
//   - An attempt that our own end or that of its claim cut off is marked
//     "interrupted: …" and made again without using up a retry.
//   - A webhook is disabled as failing later than its rule says, if the log
//     does not reach back to the first failure, but never earlier; and others
//     are told in the same transaction, so once.
//   - Memory is bounded whatever the backlog: so many deliveries are held as
//     the slots can use soon, and so many waits; other waits are spent in the
//     table.
//   - What a receiver can make us hold is bounded: 16 KiB of headers, of a body
//     its first KiB, a TLS session of 32 KiB; and so is the time, from the
//     look-up of its name to the last byte, whatever it does meanwhile.
//   - A webhook's own headers stand beside ours, and can replace none of them.
//   - Neither a secret, nor the value of a header, nor the path of a URL is
//     logged, nor part of an error.
package sender
