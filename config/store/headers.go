package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plausible-webhooks/config/header"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/target"

	"github.com/jackc/pgx/v5"
)

// MaxTimeoutSeconds is the longest timeout of a webhook's own (deploy/REFERENCE.md
// section 3).
const MaxTimeoutSeconds = 30

// checkTimeout takes zero for the default.
func checkTimeout(seconds int, found *mistakes) {
	if seconds < 0 || seconds > MaxTimeoutSeconds {
		found.add(FieldTimeout, "%d seconds are not between 1 and %d", seconds, MaxTimeoutSeconds)
	}
}

// checkHeaders reports what is wrong with headers as they were entered.
func checkHeaders(entered []header.Header, found *mistakes) {
	for _, m := range header.Check(entered) {
		field := FieldHeaders
		if m.Index >= 0 {
			field = HeaderField(m.Index, string(m.Part))
		}
		found.add(field, "%v", m)
	}
}

// newHeaders is the column's text for a webhook that is new.
func (s *Store) newHeaders(id int64, entered []header.Header) (string, error) {
	none, err := header.Read(id, "{}")
	if err != nil {
		return "", err
	}
	stored, err := none.With(s.keys, entered)
	return stored.JSON(), err
}

// changeHeaders takes headers of a webhook away and then adds others; the
// caller holds the webhook's row.
func (s *Store) changeHeaders(ctx context.Context, tx pgx.Tx, id int64, changes Changes, found *mistakes) error {
	if len(changes.PutHeaders)+len(changes.DropHeaders) == 0 {
		return nil
	}
	stored, err := readHeaders(ctx, tx, id)
	if err != nil {
		return err
	}
	for i, name := range changes.DropHeaders {
		var there bool
		if stored, there = stored.Without(name); !there {
			found.add(fmt.Sprintf("%s[%d]", FieldDropHeaders, i), "the webhook has no such header")
		}
	}
	if stored, err = stored.With(s.keys, changes.PutHeaders); err != nil {
		return err
	}
	s.checkTogether(stored, found)
	if err := found.err(); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "update plausible_webhooks.webhooks set headers = $2::text::jsonb, updated_at = now() where id = $1", id, stored.JSON())
	if err != nil {
		return fmt.Errorf("store the headers of webhook %d: %w", id, err)
	}
	return nil
}

// checkHeadersStay refuses a URL of another host or port to which values would
// be sent that were entered for the present one: nobody is shown them, so nobody
// may have them sent to a receiver of theirs. The caller holds the webhook's row.
func checkHeadersStay(ctx context.Context, tx pgx.Tx, id int64, changes Changes, found *mistakes) error {
	if changes.URL == nil || *changes.URL == "" { // An empty one is a mistake already.
		return nil
	}
	var present string
	if err := tx.QueryRow(ctx, "select url from plausible_webhooks.webhooks where id = $1", id).Scan(&present); err != nil {
		return fmt.Errorf("read the URL of webhook %d: %w", id, err)
	}
	host := target.Display(present)
	if host == target.Display(*changes.URL) {
		return nil
	}
	stored, err := readHeaders(ctx, tx, id)
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(stored.Names(), func(name string) bool {
		same := func(other string) bool { return strings.EqualFold(other, name) }
		return slices.ContainsFunc(changes.DropHeaders, same) ||
			slices.ContainsFunc(changes.PutHeaders, func(h header.Header) bool { return same(h.Name) })
	})
	if len(kept) > 0 {
		found.add(FieldURL, "the stored %s may be sent to %s only: to send elsewhere, enter the value again or remove the header", strings.Join(kept, ", "), host)
	}
	return nil
}

// checkTogether holds all headers of a webhook against the bounds. What cannot
// be opened has no length, and what others wrote against the rules is told by
// UnusableHeaders: neither is a mistake of who edits now.
func (s *Store) checkTogether(stored header.Stored, found *mistakes) {
	var all []header.Header
	for _, name := range stored.Names() {
		h, err := stored.Open(s.keys, name)
		if err != nil {
			h = header.Header{Name: name}
		}
		all = append(all, h)
	}
	for _, m := range header.Check(all) {
		if m.Index < 0 {
			found.add(FieldHeaders, "%v", m)
		}
	}
}

func readHeaders(ctx context.Context, tx pgx.Tx, id int64) (header.Stored, error) {
	var text string
	if err := tx.QueryRow(ctx, "select headers::text from plausible_webhooks.webhooks where id = $1", id).Scan(&text); err != nil {
		return header.Stored{}, fmt.Errorf("read the headers of webhook %d: %w", id, err)
	}
	return header.Read(id, text)
}

// UnusableHeader is a header that cannot be sent.
type UnusableHeader struct {
	WebhookID int64
	Name      string // As stored, where it need not be a name; empty: all of the webhook's headers together.
	Err       error  // A *header.UnreadableError, or the rule that it breaks.
}

// Waits reports whether deliveries wait for the header; else they fail.
func (u UnusableHeader) Waits() bool {
	return errors.Is(u.Err, secret.ErrKeyMissing) || errors.Is(u.Err, secret.ErrDamaged)
}

// UnusableHeaders tries every stored header with the keys at hand and holds it
// against the rules, by webhook and name.
func (s *Store) UnusableHeaders(ctx context.Context) (unusable []UnusableHeader, err error) {
	err = s.inTransaction(ctx, "read headers", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select id, headers::text from plausible_webhooks.webhooks where headers <> '{}' order by id")
		if err != nil {
			return fmt.Errorf("read headers: %w", err)
		}
		var id int64
		var text string
		_, err = pgx.ForEachRow(rows, []any{&id, &text}, func() error {
			stored, err := header.Read(id, text)
			if err != nil {
				return err
			}
			unusable = append(unusable, s.unusableOf(id, stored)...)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read headers: %w", err)
		}
		return nil
	})
	return unusable, err
}

func (s *Store) unusableOf(id int64, stored header.Stored) (unusable []UnusableHeader) {
	var readable []header.Header
	for _, name := range stored.Names() {
		h, err := stored.Open(s.keys, name)
		if err != nil {
			unusable = append(unusable, UnusableHeader{id, name, err})
			continue
		}
		readable = append(readable, h)
	}
	for _, m := range header.Check(readable) {
		name := ""
		if m.Index >= 0 {
			name = readable[m.Index].Name
		}
		unusable = append(unusable, UnusableHeader{id, name, m})
	}
	slices.SortStableFunc(unusable, func(a, b UnusableHeader) int { return strings.Compare(a.Name, b.Name) })
	return unusable
}
