package stack

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// send runs one statement on the database of address, as curl would:
// the statement in the URL, data of an insert in the body. It returns the result as text.
func send(ctx context.Context, address, sql string, values url.Values, data io.Reader) (string, error) {
	target, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("read the address of clickhouse: it is not a URL")
	}
	query := target.Query()
	if database := strings.Trim(target.Path, "/"); database != "" {
		query.Set("database", database)
	}
	maps.Copy(query, values)
	if data == nil {
		data = strings.NewReader(sql)
	} else {
		query.Set("query", sql)
	}
	target.Path, target.RawQuery = "/", query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), data)
	if err != nil {
		return "", err
	}
	response, err := plainHTTP.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("clickhouse answers %s", strings.TrimSpace(string(body)))
	}
	return string(body), nil
}

var readsTables = regexp.MustCompile(`(?is)^\s*(SELECT|WITH)\s`)

var functionInTree = regexp.MustCompile(`(?m)^ *Function (\w+)`)

// functionsOf has the engine parse each query anew, which is surer than any reading of ours.
func (c *ClickHouse) functionsOf(ctx context.Context, database string, queries []Query) ([]string, error) {
	seen := map[string]bool{}
	names := map[string]bool{}
	for _, q := range queries {
		if q.Database != database || q.Code != 0 || seen[q.SQL] || !readsTables.MatchString(q.SQL) {
			continue
		}
		seen[q.SQL] = true
		params := url.Values{}
		for name, value := range q.Params {
			params.Set("param_"+name, value)
		}
		tree, err := send(ctx, c.URL(database), "EXPLAIN AST "+strings.TrimSpace(q.SQL), params, nil)
		if err != nil {
			return nil, fmt.Errorf("find the functions of %q: %w", q.SQL, err)
		}
		for _, found := range functionInTree.FindAllStringSubmatch(tree, -1) {
			names[found[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}
