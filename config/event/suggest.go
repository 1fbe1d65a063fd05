package event

import "strings"

// services are the hosts at which chat services take webhooks; a leading dot
// stands for every host below it.
var services = []struct {
	host   string
	format Format
}{
	{"hooks.slack.com", Slack},
	{"hooks.slack-gov.com", Slack},
	{"discord.com", Discord},
	{".discord.com", Discord}, // Its test clients: canary. and ptb.
	{"discordapp.com", Discord},
	{".discordapp.com", Discord},
	{".webhook.office.com", Teams},
	{".logic.azure.com", Teams}, // Workflows, which follow Teams' own webhooks.
	{".api.powerplatform.com", Teams},
	{"chat.googleapis.com", GoogleChat},
	{"api.telegram.org", Telegram},
	{"ntfy.sh", Ntfy},
}

// SuggestFormat returns the format of the chat service that a URL's host
// belongs to, and false where none is known. It is a suggestion: people choose,
// since other programs take these formats too, and some services take that of
// another (Discord takes Slack's below /slack).
func SuggestFormat(host string) (Format, bool) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, service := range services {
		if host == service.host || strings.HasPrefix(service.host, ".") && strings.HasSuffix(host, service.host) {
			return service.format, true
		}
	}
	// Who runs ntfy calls it so.
	if strings.HasPrefix(host, "ntfy.") {
		return Ntfy, true
	}
	return "", false
}
