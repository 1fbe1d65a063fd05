package front

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// statement is one request, read.
type statement struct {
	query    string
	id       string
	database string
	format   string
	readonly string // Level of the user: empty, 1 or 2; see readonlyLevels.
	compress bool
	settings map[string]string
	params   map[string]string
	external []externalTable
	upload   string // File with the data of an insert; empty if there is none.
}

// externalTable is a table that came with the request.
type externalTable struct {
	name, structure, format, file string
}

var (
	insertStart = regexp.MustCompile(`(?is)^(?:\s|--[^\n]*\n|/\*.*?\*/)*INSERT\s`)
	formatAtEnd = regexp.MustCompile(`(?is)\s+FORMAT\s+(\w+)\s*;?\s*$`)
	name        = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// ceProfile is what Plausible CE mounts into its ClickHouse as
// users.d/default-profile-low-resources-overrides.xml.
var ceProfile = map[string]string{
	"max_threads":                       "1",
	"max_block_size":                    "8192",
	"max_download_threads":              "1",
	"input_format_parallel_parsing":     "0",
	"output_format_parallel_formatting": "0",
}

// Profile returns the settings of the named profile: "" has none, "ce" is Plausible CE's.
func Profile(name string) (map[string]string, error) {
	switch name {
	case "":
		return nil, nil
	case "ce":
		return maps.Clone(ceProfile), nil
	default:
		return nil, fmt.Errorf("profile %q is unknown; there are ce and the empty one", name)
	}
}

// preparations are the statements that bring a fresh session into the state
// which the request asks for. Their order follows a server's: the profile and the database
// are given, then the user's restriction holds for what the request itself sets.
func (s statement) preparations(profile map[string]string) []string {
	var list []string
	if s.database != "" && s.database != "default" {
		list = append(list, "USE "+identifier(s.database))
	}
	if len(profile) > 0 {
		list = append(list, set("", profile))
	}
	if len(s.params) > 0 {
		list = append(list, set("param_", s.params))
	}
	for _, table := range s.external {
		list = append(list,
			fmt.Sprintf("CREATE TEMPORARY TABLE %s (%s) ENGINE = Memory", identifier(table.name), table.structure),
			fmt.Sprintf("INSERT INTO %s FROM INFILE %s FORMAT %s", identifier(table.name), literal(table.file), table.format))
	}
	settings := maps.Clone(s.settings)
	if s.readonly != "" {
		list = append(list, "SET readonly = "+s.readonly)
	}
	// In readonly mode nothing can be set, so a request that sets it sets it last.
	readonly, asked := settings["readonly"]
	delete(settings, "readonly")
	if len(settings) > 0 {
		list = append(list, set("", settings))
	}
	if asked {
		list = append(list, "SET readonly = "+literal(readonly))
	}
	return list
}

// text is the statement to run; data of an insert is named as a file, for the
// engine takes no binary data in a statement.
func (s statement) text() string {
	if s.upload == "" {
		return s.query
	}
	at := formatAtEnd.FindStringSubmatchIndex(s.query)
	return s.query[:at[0]] + " FROM INFILE " + literal(s.upload) + " FORMAT " + s.query[at[2]:at[3]]
}

// takesUpload tells whether the query is an insert whose data is the body.
func takesUpload(query string) bool {
	return insertStart.MatchString(query) && formatAtEnd.MatchString(query)
}

func set(prefix string, values map[string]string) string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		list = append(list, prefix+key+" = "+literal(values[key]))
	}
	return "SET " + strings.Join(list, ", ")
}

var (
	literalEscapes    = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	identifierEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`")
)

func literal(s string) string    { return "'" + literalEscapes.Replace(s) + "'" }
func identifier(s string) string { return "`" + identifierEscapes.Replace(s) + "`" }
