package main

import (
	"context"
	"fmt"
	"slices"

	"plausible-webhooks/config"
	"plausible-webhooks/config/env"
	"plausible-webhooks/config/schema"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/store"
	"plausible-webhooks/config/target"

	"github.com/jackc/pgx/v5"
)

func checkKey(keys secret.Keyring) finding {
	const name = "encryption key"
	if keys.Empty() {
		return warning(name, "there is none: secrets of webhooks are stored as they are", "set SECRET_KEY_BASE to Plausible's, or WEBHOOKS_SECRET_KEY to what `openssl rand -base64 32` prints")
	}
	return ok(name, "secrets are encrypted with key %s", keys.KeyID())
}

// checkWebhooks looks at each stored webhook.
func checkWebhooks(ctx context.Context, conn *pgx.Conn, settings env.Settings) []finding {
	if version, err := schema.Version(ctx, conn); err != nil || version < schema.Wanted() {
		return nil // Told by checkOwnTables.
	}
	s := openStore(conn, settings)
	all, err := s.List(ctx, store.Filter{})
	if err != nil {
		return []finding{unanswered("webhooks", err)}
	}
	return slices.Concat(checkSecrets(ctx, s), checkHeaders(ctx, s), checkURLs(all, settings), checkReceivers(ctx, all, settings))
}

func checkSecrets(ctx context.Context, s *store.Store) []finding {
	const name = "secrets"
	unreadable, err := s.UnreadableSecrets(ctx)
	if err != nil {
		return []finding{unanswered(name, err)}
	}
	if len(unreadable) == 0 {
		return []finding{ok(name, "each can be read")}
	}
	var found []finding
	for _, u := range unreadable {
		if u.Column == "previous_secret" {
			found = append(found, warning(name, fmt.Sprintf("webhook %d: the secret before its rotation cannot be read and signs no more", u.WebhookID),
				"set WEBHOOKS_SECRET_KEY or SECRET_KEY_BASE to what it was"))
			continue
		}
		found = append(found, failure(name, fmt.Sprintf("webhook %d: its secret cannot be read, and its deliveries wait", u.WebhookID),
			fmt.Sprintf("set WEBHOOKS_SECRET_KEY or SECRET_KEY_BASE to what it was when the secret was stored, or: plausible-webhooks webhook rotate-secret %d", u.WebhookID)))
	}
	return found
}

func checkHeaders(ctx context.Context, s *store.Store) []finding {
	const name = "headers"
	unusable, err := s.UnusableHeaders(ctx)
	if err != nil {
		return []finding{unanswered(name, err)}
	}
	if len(unusable) == 0 {
		return []finding{ok(name, "each can be sent")}
	}
	var found []finding
	for _, u := range unusable {
		again := fmt.Sprintf("plausible-webhooks webhook update %d --header-file FILE", u.WebhookID)
		if u.Waits() {
			found = append(found, failure(name, fmt.Sprintf("webhook %d: its header %s cannot be read, and its deliveries wait", u.WebhookID, u.Name),
				"set WEBHOOKS_SECRET_KEY or SECRET_KEY_BASE to what it was when the header was stored, or give the header again: "+again))
			continue
		}
		found = append(found, warning(name, fmt.Sprintf("webhook %d: %v, and its deliveries fail", u.WebhookID, u.Err), again+", or --remove-header NAME"))
	}
	return found
}

func checkURLs(all []store.Webhook, settings env.Settings) []finding {
	const name = "webhooks"
	var found []finding
	for _, w := range all {
		if _, err := target.ParseSaved(w.URL.Reveal(), settings.Targets()); err != nil {
			found = append(found, warning(name, fmt.Sprintf("webhook %d to %s: %v", w.ID, target.Display(w.URL.Reveal()), err),
				fmt.Sprintf("plausible-webhooks webhook update %d --url https://…", w.ID)))
		}
		if w.Disabled() {
			mend := fmt.Sprintf("plausible-webhooks webhook update %d --enable", w.ID)
			if w.ManagedBy == config.ManagedByEnvironment {
				mend = "correct WEBHOOKS_URL if need be and restart run, which switches it on again"
			}
			found = append(found, warning(name, fmt.Sprintf("webhook %d to %s is disabled: %s", w.ID, target.Display(w.URL.Reveal()), w.DisabledReason), mend))
		}
	}
	if len(found) == 0 {
		return []finding{ok(name, "%s", counted(len(all), "webhook", "webhooks"))}
	}
	return found
}
