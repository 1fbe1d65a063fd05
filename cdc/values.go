package cdc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// The functions below read PostgreSQL's text format as both kinds of
// connection are set up to produce it: DateStyle ISO, TimeZone UTC.

var errNull = errors.New("unexpected null")

func parseInt(text []byte) (int64, error) {
	if text == nil {
		return 0, errNull
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.20q is no integer", text)
	}
	return n, nil
}

// zeroOr reads null as zero, as the model does for most columns.
func zeroOr(text []byte) (int64, error) {
	if text == nil {
		return 0, nil
	}
	return parseInt(text)
}

func parseBool(text []byte) (bool, error) {
	switch string(text) {
	case "t":
		return true, nil
	case "f", "":
		return false, nil
	}
	return false, fmt.Errorf("%.20q is no boolean", text)
}

// latest stands for PostgreSQL's infinity.
var latest = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// parseTime reads timestamp and timestamptz. Null and -infinity are the zero
// time: both mean "no bound" to the model.
func parseTime(text []byte) (time.Time, error) {
	switch string(text) {
	case "", "-infinity":
		return time.Time{}, nil
	case "infinity":
		return latest, nil
	}
	if t, ok := plainTime(text); ok {
		return t, nil
	}
	return anyTime(text)
}

// timeLayout is all but the fraction and the zone.
const timeLayout = "2006-01-02 15:04:05"

// anyTime reads whatever is a time.
func anyTime(text []byte) (time.Time, error) {
	layout := timeLayout
	if len(text) > len(layout) && bytes.ContainsAny(text[len(layout):], "+-") {
		layout += "Z07"
	}
	if t, err := time.Parse(layout, string(text)); err == nil {
		return t.UTC(), nil // Without a fabricated location, so that equal times are ==.
	}
	return time.Time{}, fmt.Errorf("%.40q is no time in ISO format", text)
}

// plainTime reads what nearly every time looks like, four times as fast: a large
// installation has a million of them to read before it is ready. It leaves all
// else to anyTime, also what is no time.
func plainTime(text []byte) (t time.Time, ok bool) {
	if len(text) < len(timeLayout) {
		return t, false
	}
	number := func(from, digits int) (n int) {
		for _, c := range text[from : from+digits] {
			if c < '0' || c > '9' {
				ok = false
			}
			n = 10*n + int(c-'0')
		}
		return n
	}
	ok = text[4] == '-' && text[7] == '-' && text[10] == ' ' && text[13] == ':' && text[16] == ':'
	year, month, day := number(0, 4), number(5, 2), number(8, 2)
	hour, minute, second := number(11, 2), number(14, 2), number(17, 2)
	rest := bytes.TrimSuffix(text[len(timeLayout):], []byte("+00"))
	nanosecond := 0
	if len(rest) > 0 {
		digits := len(rest) - 1
		if rest[0] != '.' || digits < 1 || digits > 6 {
			return t, false
		}
		nanosecond = number(len(timeLayout)+1, digits)
		for range 9 - digits {
			nanosecond *= 10
		}
	}
	if !ok || hour > 23 || minute > 59 || second > 59 {
		return t, false
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, nanosecond, time.UTC)
	// A day that the month does not have has become one of another month.
	return t, t.Day() == day && int(t.Month()) == month
}

// parseProps reads goals.custom_props. Plausible writes strings only; another
// scalar matches by its text, as that is how ClickHouse holds it.
func parseProps(text []byte) (map[string]string, error) {
	if text == nil || string(text) == "{}" {
		return nil, nil
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, errors.New("the value is no JSON object")
	}
	if len(raw) == 0 {
		return nil, nil
	}
	props := make(map[string]string, len(raw))
	for name, value := range raw {
		var s string
		if err := json.Unmarshal(value, &s); err != nil {
			s = string(value)
		}
		props[name] = s
	}
	return props, nil
}

// The setters adapt a parser to a field.

func setInt[R any](field func(*R) *int64, parse func([]byte) (int64, error)) func(*R, []byte) error {
	return setter(field, parse)
}

func setSmall[R any](field func(*R) *int) func(*R, []byte) error {
	return setter(field, func(text []byte) (int, error) {
		n, err := zeroOr(text)
		return int(n), err
	})
}

func setText[T ~string, R any](field func(*R) *T) func(*R, []byte) error {
	return func(row *R, text []byte) error {
		if into := field(row); string(*into) != string(text) {
			*into = T(text)
		}
		return nil
	}
}

func setBool[R any](field func(*R) *bool) func(*R, []byte) error { return setter(field, parseBool) }

func setTime[R any](field func(*R) *time.Time) func(*R, []byte) error {
	return setter(field, parseTime)
}

func setter[R, T any](field func(*R) *T, parse func([]byte) (T, error)) func(*R, []byte) error {
	return func(row *R, text []byte) error {
		value, err := parse(text)
		if err != nil {
			return err
		}
		*field(row) = value
		return nil
	}
}
