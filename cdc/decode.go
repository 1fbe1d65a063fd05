package cdc

import (
	"encoding/binary"
	"fmt"

	"github.com/jackc/pglogrepl"
)

// decodeMessage parses one logical replication message. The library indexes
// without looking at the length and reserves whatever memory a length field
// asks for; a malformed message must cost the session, not the process.
func decodeMessage(data []byte) (message pglogrepl.Message, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			message, err = nil, fmt.Errorf("decode a replication message of %d bytes: it is malformed: %w", len(data), errDesync)
		}
	}()
	if len(data) == 0 {
		return nil, fmt.Errorf("decode a replication message: it is empty: %w", errDesync)
	}
	if !lengthsFit(data) {
		return nil, fmt.Errorf("decode a replication message of %d bytes: its values do not fit into it: %w", len(data), errDesync)
	}
	message, err = pglogrepl.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("decode a replication message of type %q: %w", data[0], err)
	}
	return message, nil
}

// lengthsFit checks the lengths in a message for which the library reserves
// memory before it looks at what is there.
func lengthsFit(data []byte) bool {
	kind, rest := pglogrepl.MessageType(data[0]), data[1:]
	switch kind {
	case pglogrepl.MessageTypeInsert, pglogrepl.MessageTypeUpdate, pglogrepl.MessageTypeDelete:
		return len(rest) >= 4 && tuplesFit(rest[4:])
	case pglogrepl.MessageTypeTruncate:
		return len(rest) >= 5 && uint64(binary.BigEndian.Uint32(rest))*4 <= uint64(len(rest)-5)
	}
	return true
}

// tuplesFit walks over tuples and checks that each value lies within.
func tuplesFit(rest []byte) bool {
	for len(rest) > 0 {
		if len(rest) < 3 {
			return false
		}
		columns := binary.BigEndian.Uint16(rest[1:])
		rest = rest[3:]
		for range columns {
			if len(rest) < 1 {
				return false
			}
			valueKind := rest[0]
			rest = rest[1:]
			if valueKind != pglogrepl.TupleDataTypeText && valueKind != pglogrepl.TupleDataTypeBinary {
				continue
			}
			if len(rest) < 4 {
				return false
			}
			length := uint64(binary.BigEndian.Uint32(rest))
			rest = rest[4:]
			if length > uint64(len(rest)) {
				return false
			}
			rest = rest[length:]
		}
	}
	return true
}
