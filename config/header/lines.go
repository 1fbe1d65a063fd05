package header

import (
	"fmt"
	"strings"

	"plausible-webhooks/config/secret"

	"golang.org/x/net/http/httpguts"
)

// ParseLines reads headers as HTTP writes them: a line "Name: value" for each,
// empty lines between them. It reads the lines; whether they make headers of a
// webhook is Check's to say. An error names the line by its number alone, since
// any part of a line may be a secret.
func ParseLines(text string) ([]Header, error) {
	var headers []Header
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.Trim(line, " \t") == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		switch {
		case !ok || name == "":
			return nil, fmt.Errorf("line %d is not a header: write it as Name: value", number)
		case strings.ContainsAny(name[:1], " \t"):
			return nil, fmt.Errorf("line %d begins with a blank: each header is one line", number)
		case !httpguts.ValidHeaderFieldName(name):
			return nil, fmt.Errorf("line %d does not begin with the name of a header: write it as Name: value", number)
		}
		headers = append(headers, Header{Name: name, Value: secret.New(strings.Trim(value, " \t"))})
	}
	return headers, nil
}
