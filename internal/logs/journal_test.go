package logs

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The journal keeps the time of a line, and takes its priority from its beginning.
func TestJournalLines(t *testing.T) {
	for format, want := range map[string]string{
		"text": `<7>level=DEBUG msg=looks what.took=5s pool=nyc
<6>level=INFO msg=serves what.took=5s pool=nyc
<4>level=WARN msg=doubts what.took=5s pool=nyc
<3>level=ERROR msg=fails what.took=5s pool=nyc
`,
		"json": `<7>{"time":T,"level":"DEBUG","msg":"looks","what":{"took":"5s"},"pool":"nyc"}
<6>{"time":T,"level":"INFO","msg":"serves","what":{"took":"5s"},"pool":"nyc"}
<4>{"time":T,"level":"WARN","msg":"doubts","what":{"took":"5s"},"pool":"nyc"}
<3>{"time":T,"level":"ERROR","msg":"fails","what":{"took":"5s"},"pool":"nyc"}
`,
	} {
		var out strings.Builder
		logger, err := New(&out, format, "debug", true)
		if err != nil {
			t.Fatal(err)
		}
		logger = logger.With(slog.Group("what", "took", 5*time.Second))
		logger.Debug("looks", "pool", "nyc")
		logger.Info("serves", "pool", "nyc")
		logger.Warn("doubts", "pool", "nyc")
		logger.Error("fails", "pool", "nyc")
		got := out.String()
		if format == "json" {
			var lines []string
			for line := range strings.Lines(got) {
				before, rest, _ := strings.Cut(line, `"time":"`)
				_, rest, _ = strings.Cut(rest, `"`)
				lines = append(lines, before+`"time":T`+rest)
			}
			got = strings.Join(lines, "")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", format, diff)
		}
	}
	var out strings.Builder
	logger, err := New(&out, "text", "warn", true)
	if err != nil {
		t.Fatal(err)
	}
	logger.Info("serves")
	if out.Len() > 0 {
		t.Errorf("--log-level=warn lets through: %s", &out)
	}
}

// What is no line of the log has a priority in the journal too, each of its lines.
func TestJournalText(t *testing.T) {
	for _, toJournal := range []bool{true, false} {
		var out strings.Builder
		if n, err := textTo(&out, warningPrefix, toJournal).Write([]byte("one\ntwo\n")); n != 8 || err != nil {
			t.Errorf("%d bytes are written: %v", n, err)
		}
		if want := map[bool]string{true: "<4>one\n<4>two\n", false: "one\ntwo\n"}[toJournal]; out.String() != want {
			t.Errorf("to the journal %t: %q, want %q", toJournal, out.String(), want)
		}
	}
}
