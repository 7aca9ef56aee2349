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
