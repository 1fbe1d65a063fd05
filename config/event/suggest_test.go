package event_test

import (
	"testing"

	"plausible-webhooks/config/event"
)

func TestFormatsAreSuggestedForTheHostsOfServices(t *testing.T) {
	tests := map[string]event.Format{
		"hooks.slack.com": event.Slack, "HOOKS.Slack.com.": event.Slack, "hooks.slack-gov.com": event.Slack,
		"discord.com": event.Discord, "canary.discord.com": event.Discord, "discordapp.com": event.Discord,
		"contoso.webhook.office.com": event.Teams, "prod-12.westus.logic.azure.com": event.Teams,
		"default1234.0a.environment.api.powerplatform.com": event.Teams,
		"chat.googleapis.com":                              event.GoogleChat, "api.telegram.org": event.Telegram,
		"ntfy.sh": event.Ntfy, "ntfy.example.com": event.Ntfy,
		"": "", "example.com": "", "slack.com": "", "hooks.slack.com.evil.example": "", "evilhooks.slack.com": "",
		"evildiscord.com": "", "googleapis.com": "", "webhook.office.com": "", "ntfy": "", "127.0.0.1": "",
	}
	for host, want := range tests {
		if got, ok := event.SuggestFormat(host); got != want || ok != (want != "") {
			t.Errorf("SuggestFormat(%q) = %q, %v; want %q", host, got, ok, want)
		}
	}
}
