package stats

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// errNoAnswer is what a question ends with when ClickHouse kept silent.
var errNoAnswer = fmt.Errorf("no answer within %s", answerLimit)

// ask runs one query and hands each row to each. The error is fit for people
// and holds no URL.
func (c *Client) ask(ctx context.Context, what, query string, parameters clickhouse.Parameters, each func(driver.Rows) error) error {
	ctx, cancel := withoutDeadline(ctx)
	defer cancel()
	conn, settings, err := c.ready(ctx)
	if err == nil {
		c.queries.Add(1)
		err = run(clickhouse.Context(ctx, clickhouse.WithSettings(settings), clickhouse.WithParameters(parameters)), conn, query, each)
	}
	if err == nil {
		return nil
	}
	if refusesSetting(err) {
		c.forgetSettings()
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("ask ClickHouse for %s: %w", what, withoutURL(err))
}

func run(ctx context.Context, conn driver.Conn, query string, each func(driver.Rows) error) (err error) {
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// withoutDeadline bounds the waiting without a context deadline: for one the
// driver would send max_execution_time by itself, which a user with
// readonly = 1 is refused (code 164).
func withoutDeadline(ctx context.Context) (context.Context, func()) {
	bounded, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	timer := time.AfterFunc(answerLimit, func() { cancel(errNoAnswer) })
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	return bounded, func() {
		timer.Stop()
		stop()
		cancel(nil)
	}
}

// withoutURL takes the address out of an error of the HTTP client: it holds
// the user's name and the whole query.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// manySites is the longest list of ids that travels. A query with 1,000 ids
// takes as long as one without any, one with 10,000 four times as long.
const manySites = 1000

// Few returns sites if a list of them is worth sending, and nil, which stands
// for every site, where it is not.
func Few(sites []int64) []int64 {
	if len(sites) > manySites {
		return nil
	}
	return sites
}

// among restricts a query to sites; nil: no restriction.
func among(sites []int64) string {
	if sites == nil {
		return ""
	}
	return " AND site_id IN (" + integers(sites) + ")"
}

func integers(ids []int64) string {
	if len(ids) == 0 {
		return "NULL"
	}
	var list strings.Builder
	for i, id := range ids {
		if i > 0 {
			list.WriteByte(',')
		}
		list.WriteString(strconv.FormatInt(id, 10))
	}
	return list.String()
}

// text is a string in a query, as hexadecimal digits.
func text(s string) string { return "unhex('" + hex.EncodeToString([]byte(s)) + "')" }

func texts(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = text(s)
	}
	return strings.Join(quoted, ",")
}

func seconds(t int64) string { return strconv.FormatInt(max(t, 0), 10) }
