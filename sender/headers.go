package sender

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"plausible-webhooks/config/header"
	"plausible-webhooks/config/secret"
)

// headersOf returns a webhook's own headers. The error tells of one that
// cannot be opened or breaks the rules, and shows no value.
func (s *Sender) headersOf(hook *webhook) ([]header.Header, error) {
	stored, err := header.Read(hook.id, hook.headers)
	if err != nil {
		return nil, err
	}
	headers, err := stored.OpenAll(s.options.Keys)
	if err != nil {
		return nil, err
	}
	if mistakes := header.Check(headers); len(mistakes) > 0 {
		return nil, mistakes[0]
	}
	return headers, nil
}

// addTo puts a webhook's own headers beside ours, none of which the rules let
// them name.
func addTo(ours http.Header, own []header.Header) {
	for _, h := range own {
		ours.Set(h.Name, h.Value.Reveal())
	}
}

// unopened reports an error that ends when somebody sets a key or gives the
// secret again, so that a delivery waits for it.
func unopened(err error) bool {
	return errors.Is(err, secret.ErrKeyMissing) || errors.Is(err, secret.ErrDamaged)
}

// usableHeaders reports whether a webhook's headers can be opened; those that
// break the rules can, and fail the attempt. The reason is logged once for each
// webhook, until they can again. Nil stands for no headers.
func (s *Sender) usableHeaders(webhook int64, text *string) error {
	complained := complaint{webhook, unusableHeaders}
	if text == nil {
		s.warned.Delete(complained)
		return nil
	}
	stored, err := header.Read(webhook, *text)
	if err == nil {
		_, err = stored.OpenAll(s.options.Keys)
	}
	if err == nil || !unopened(err) {
		s.warned.Delete(complained)
		return nil
	}
	s.warnOnce(complained, err)
	return err
}

// headersPerLook bounds the webhooks whose plain headers are held in memory.
const headersPerLook = 500

// plainHeadersSQL finds webhooks with plain values, by id. Values that are no
// text cannot be sealed, and fail the attempts.
const plainHeadersSQL = `
select id, headers::text from plausible_webhooks.webhooks
where id > $1 and headers <> '{}' and exists (
  select from jsonb_each(headers) h
  where jsonb_typeof(h.value) = 'string' and h.value #>> '{}' <> '' and h.value #>> '{}' not like 'enc1:%')
order by id limit $2`

// sealPlainHeaders encrypts the values of headers that others wrote as plain
// text. Headers that change at the same moment are left for the next time.
func (s *Sender) sealPlainHeaders(ctx context.Context) error {
	if s.options.Keys.Empty() {
		return nil
	}
	type plainHeaders struct {
		id   int64
		text string
	}
	for last := int64(0); ; {
		rows, err := s.options.DB.Query(ctx, plainHeadersSQL, last, headersPerLook)
		if err != nil {
			return fmt.Errorf("look for plain headers: %w", err)
		}
		found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p plainHeaders, err error) {
			return p, row.Scan(&p.id, &p.text)
		})
		if err != nil {
			return fmt.Errorf("look for plain headers: %w", err)
		}
		for _, p := range found {
			if err := s.sealHeaders(ctx, p.id, p.text); err != nil {
				return err
			}
		}
		if len(found) < headersPerLook {
			return nil
		}
		last = found[len(found)-1].id
	}
}

func (s *Sender) sealHeaders(ctx context.Context, webhook int64, plain string) error {
	stored, err := header.Read(webhook, plain)
	if err != nil {
		return err
	}
	sealed, changed, err := stored.SealPlain(s.options.Keys)
	if err != nil || !changed {
		return err
	}
	if _, err := s.options.DB.Exec(ctx, `update plausible_webhooks.webhooks set headers = $3::text::jsonb
		where id = $1 and headers = $2::text::jsonb`, webhook, plain, sealed.JSON()); err != nil {
		return fmt.Errorf("encrypt the headers of webhook %d: %w", webhook, err)
	}
	return nil
}
