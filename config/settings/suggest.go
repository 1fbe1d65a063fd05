package settings

import (
	"strings"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/target"
)

// hostFormats are the hosts at which chat services take webhooks. A name that
// begins with a dot stands for every host below it. The script has the same
// list, from the page.
var hostFormats = []struct {
	Host   string
	Format event.Format
}{
	{"hooks.slack.com", event.Slack}, {"hooks.slack-gov.com", event.Slack},
	{"discord.com", event.Discord}, {"discordapp.com", event.Discord}, {"ptb.discord.com", event.Discord}, {"canary.discord.com", event.Discord},
	{".webhook.office.com", event.Teams}, {".logic.azure.com", event.Teams}, {".api.powerplatform.com", event.Teams},
	{"chat.googleapis.com", event.GoogleChat},
	{"api.telegram.org", event.Telegram},
	{"ntfy.sh", event.Ntfy},
}

// suggested is the format that the host of a URL takes; standard for any other.
func suggested(url secret.Text) event.Format {
	_, host, ok := strings.Cut(target.Display(strings.TrimSpace(url.Reveal())), "://")
	if !ok {
		return event.Standard
	}
	if name, _, ported := strings.Cut(host, ":"); ported {
		host = name
	}
	for _, known := range hostFormats {
		if host == known.Host || strings.HasPrefix(known.Host, ".") && strings.HasSuffix(host, known.Host) {
			return known.Format
		}
	}
	return event.Standard
}

// hostList is hostFormats for the script.
func hostList() string {
	var entries []string
	for _, known := range hostFormats {
		entries = append(entries, known.Host+"="+formatName(known.Format)+"|")
	}
	return strings.Join(entries, " ")
}
