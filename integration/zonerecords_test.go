//go:build integration

package integration

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/parts"
	rrs "gslb/zones/masterfile/corpus"
)

// recordsHead is what stands before the records of the corpus. Each has an owner of its own.
const recordsHead = "$ORIGIN " + rrs.Origin + "\n$TTL 60\n@ SOA ns1 h 1 1 1 1 1\n@ NS ns1\nns1 A 192.0.2.53\n"

func recordOwner(i int) string { return fmt.Sprintf("c%d.%s", i, rrs.Origin) }

// TestZoneRecords holds BIND, NSD, Knot and gslb to the corpus of records: each takes all that it
// has to take, as one zone, and has the octets that stand there, which gslb sends the usual way and
// the odd one; and each refuses the others, one by one. Where another server differs, the corpus
// says why.
func TestZoneRecords(t *testing.T) {
	ctx := begin(t)
	entries, err := rrs.Read()
	must(t, err)
	dir, lab := t.TempDir(), parts.ForTest(t)
	lay := func(server string) (path string) {
		path = filepath.Join(dir, server+".db")
		text := recordsHead
		for i := range entries {
			if v, knows := entries[i].Of(server); knows && v.Data != nil {
				text += recordOwner(i) + " " + entries[i].Text + "\n"
			}
		}
		must(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	port := func() netip.AddrPort {
		at, err := lab.FreePort(netip.MustParseAddr("127.0.0.1"))
		must(t, err)
		return at
	}

	raw, err := parts.CompileZone(ctx, dir, corpusZone, filepath.Base(lay("bind")))
	must(t, err)
	compiled, err := readRaw(raw)
	must(t, err)
	types := make([]uint16, len(entries))
	for i := range entries {
		e := &entries[i]
		r := compiled[recordOwner(i)]
		if types[i] = r.rtype; r.rtype == 0 { // BIND does not take it
			types[i] = dns.StringToType[e.Type]
			if number, err := strconv.ParseUint(strings.TrimPrefix(e.Type, "TYPE"), 10, 16); err == nil {
				types[i] = uint16(number)
			}
		}
		if v, knows := e.Of("bind"); knows && v.Data != nil && !bytes.Equal(r.data, v.Data) {
			t.Errorf("%s: %s: BIND has %x", e.Where, e.Text, r.data)
		}
	}

	nsd, err := lab.StartNSD(ctx, parts.NSDConfig{
		Name: "nsd", Listen: port(), Zones: map[string]string{rrs.Origin: lay("nsd")}, Options: []string{"minimal-responses: yes"},
	})
	must(t, err)
	knot, err := lab.StartKnot(ctx, parts.KnotConfig{Name: "knot", Listen: port(), Zones: map[string]string{rrs.Origin: lay("knot")}})
	must(t, err)
	config := filepath.Join(dir, "zones.toml")
	listen, admin := port(), port()
	replace(t, config, fmt.Sprintf("[server]\nlisten = [%q]\nrate_limit.rate = 0\n[admin]\nlisten = %q\n[zones.%q]\nfile = %q\n",
		listen, admin, rrs.Origin, lay("gslb")))
	gslb, err := lab.StartGSLB(ctx, parts.GSLBConfig{Name: "gslb", Zones: config, Listen: listen, Admin: admin})
	must(t, err)

	for _, server := range []struct {
		name  string
		at    netip.AddrPort
		class uint16
		lower bool // it has names in lower case
	}{
		{"nsd", nsd.Listen, dns.ClassINET, true}, {"knot", knot.Listen, dns.ClassINET, true},
		{"gslb", gslb.Listen, dns.ClassINET, false}, {"gslb", gslb.Listen, dns.ClassANY, false},
	} {
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", server.at.String())
		must(t, err)
		for i := range entries {
			e := &entries[i]
			v, knows := e.Of(server.name)
			if !knows || v.Data == nil || types[i] == dns.TypeNSEC3 { // whose owner is no name (RFC 5155, section 7.2.8)
				continue
			}
			got, err := askRaw(conn, recordOwner(i), types[i], server.class)
			if err != nil {
				t.Errorf("%s: %s: %s: %v", e.Where, e.Text, server.name, err)
				break
			}
			want := v.Data
			if server.lower {
				got, want = bytes.ToLower(got), bytes.ToLower(want)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %s: %s, asked in class %s, has %x", e.Where, e.Text, server.name, dns.Class(server.class), got)
			}
		}
		must(t, conn.Close())
	}
	t.Run("refused", func(t *testing.T) { checkRefusals(t, entries, dir) })
}

// checkRefusals has every server check those records, one by one, that it or gslb does not take.
func checkRefusals(t *testing.T, entries []rrs.Entry, dir string) {
	checkers := append(parts.ZoneCheckers(), parts.ZoneChecker{
		Name: "gslb", Program: gslbPath(t),
		Args: func(_, _ string) []string { return []string{"check", "zones.toml"} },
	})
	for i := range entries {
		e := &entries[i]
		t.Run(e.Where, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(dir, e.Where)
			must(t, os.Mkdir(dir, 0o755))
			must(t, os.WriteFile(filepath.Join(dir, zoneFile), []byte(recordsHead+"x "+e.Text+"\n"), 0o644))
			replace(t, filepath.Join(dir, "zones.toml"),
				fmt.Sprintf("[server]\nlisten = [\"127.0.0.1:0\"]\n[zones.%q]\nfile = %q\n", rrs.Origin, zoneFile))
			for _, checker := range checkers {
				v, knows := e.Of(checker.Name)
				if !knows || !v.Refused && !e.Refused {
					continue
				}
				if checker.Name == "knot" && e.Refused && strings.Contains(e.Text, `\#`) {
					continue // it reads on behind data that is cut short, and finds now this, now that
				}
				verdict, said, err := checker.Check(t.Context(), dir, corpusZone, zoneFile)
				must(t, err)
				// A checker that crashes on data has no verdict.
				if verdict == parts.ZoneAccepted && v.Refused || verdict == parts.ZoneRefused && !v.Refused {
					t.Errorf("%s: %s it:\n%s", e.Text, checker.Name+" has to judge otherwise; "+verdict.String(), said)
				}
			}
		})
	}
}

// rawRecord is a record in wire form.
type rawRecord struct {
	rtype uint16
	data  []byte
}

// readRaw reads BIND's raw format: a header, then for each set its size, class, type, type covered,
// TTL, number of records and owner, and each record with its size. It returns the first record of
// each owner.
func readRaw(raw []byte) (map[string]rawRecord, error) {
	const fileHead, setHead = 24, 18
	records := make(map[string]rawRecord)
	if len(raw) < fileHead {
		return nil, fmt.Errorf("a raw zone of %d octets", len(raw))
	}
	for at := fileHead; at < len(raw); {
		set := raw[at : at+int(binary.BigEndian.Uint32(raw[at:]))]
		at += len(set)
		ownerEnd := setHead + 2 + int(binary.BigEndian.Uint16(set[setHead:]))
		owner, _, err := dns.UnpackDomainName(set[setHead+2:ownerEnd], 0)
		if err != nil {
			return nil, fmt.Errorf("an owner in a raw zone: %w", err)
		}
		size := int(binary.BigEndian.Uint16(set[ownerEnd:]))
		records[strings.ToLower(owner)] = rawRecord{binary.BigEndian.Uint16(set[6:]), set[ownerEnd+2 : ownerEnd+2+size]}
	}
	return records, nil
}

// askRaw asks for a set of one record and returns its data, with names that are not compressed. That
// of a delegation stands in the authority section.
func askRaw(conn net.Conn, name string, rtype, class uint16) ([]byte, error) {
	query := new(dns.Msg).SetQuestion(name, rtype)
	query.Question[0].Qclass, query.RecursionDesired = class, false
	c := &dns.Conn{Conn: conn}
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return nil, err
	}
	if err := c.WriteMsg(query); err != nil {
		return nil, err
	}
	reply, err := c.ReadMsgHeader(nil)
	if err != nil {
		return nil, err
	}
	at := 12
	if _, at, err = dns.UnpackDomainName(reply, at); err != nil {
		return nil, err
	}
	at += 4
	for range int(binary.BigEndian.Uint16(reply[6:])) + int(binary.BigEndian.Uint16(reply[8:])) {
		if _, at, err = dns.UnpackDomainName(reply, at); err != nil {
			return nil, err
		}
		found, end := binary.BigEndian.Uint16(reply[at:]), at+10+int(binary.BigEndian.Uint16(reply[at+8:]))
		if found == rtype {
			return uncompressed(reply, found, at+10, end)
		}
		at = end
	}
	return nil, fmt.Errorf("no such record in the reply %x", reply)
}

// namesInData is where the data of types has names that servers compress, and how many.
var namesInData = map[uint16]struct{ first, count int }{
	dns.TypeNS: {0, 1}, dns.TypeMD: {0, 1}, dns.TypeMF: {0, 1}, dns.TypeCNAME: {0, 1}, dns.TypeMB: {0, 1}, dns.TypeMG: {0, 1},
	dns.TypeMR: {0, 1}, dns.TypePTR: {0, 1}, dns.TypeMINFO: {0, 2}, dns.TypeMX: {2, 1}, dns.TypeRP: {0, 2}, dns.TypeAFSDB: {2, 1},
	dns.TypeRT: {2, 1}, dns.TypePX: {2, 2}, dns.TypeNXT: {0, 1}, dns.TypeSRV: {6, 1}, dns.TypeKX: {2, 1}, dns.TypeDNAME: {0, 1},
}

func uncompressed(msg []byte, rtype uint16, at, end int) ([]byte, error) {
	names := namesInData[rtype]
	data := bytes.Clone(msg[at : at+names.first])
	at += names.first
	for range names.count {
		name, next, err := dns.UnpackDomainName(msg, at)
		if err != nil {
			return nil, err
		}
		var buf [256]byte
		size, err := dns.PackDomainName(name, buf[:], 0, nil, false)
		if err != nil {
			return nil, err
		}
		data = append(data, buf[:size]...)
		at = next
	}
	return append(data, msg[at:end]...), nil
}
