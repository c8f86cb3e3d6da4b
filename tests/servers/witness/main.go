// A second pair of eyes for the tests: joins a room over LiveKit's signalling with Pion's WebRTC, takes every track as
// RTP, and tells what came, unit by unit. What Tallylight records is compared with it. It shares no code with Tallylight.
//
// Arguments: the server's URL and, optionally, a folder for VP8 (IVF) and Opus (Ogg) files with their start times; or
// the URL and `pcmu`, `pcma` or `opus`, to publish sound instead (publish.go).
// The room token is read from the first line of standard input. It ends when standard input ends.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4/pkg/media"
	"github.com/pion/webrtc/v4/pkg/media/oggwriter"
	"github.com/pion/webrtc/v4/pkg/media/samplebuilder"
)

var (
	out     = json.NewEncoder(os.Stdout)
	outLock sync.Mutex
)

func say(line map[string]any) {
	outLock.Lock()
	defer outLock.Unlock()
	_ = out.Encode(line)
}

func main() {
	folder := ""
	if len(os.Args) > 2 {
		folder = os.Args[2]
	}
	input := bufio.NewReader(os.Stdin)
	token, err := input.ReadString('\n')
	if err != nil {
		fail(err)
	}
	if _, publishes := published[folder]; publishes {
		if err := publish(os.Args[1], strings.TrimSpace(token), folder, input); err != nil {
			fail(err)
		}
		return
	}
	room, err := join(os.Args[1], strings.TrimSpace(token), func(s *stream) { watch(s, folder) })
	if err != nil {
		fail(err)
	}
	say(map[string]any{"event": "joined"})
	_, _ = input.ReadString(0)
	room.leave()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func watch(s *stream, folder string) {
	sid, track := s.sid, s.track
	codec := strings.ToLower(track.Codec().MimeType)
	codec = codec[strings.Index(codec, "/")+1:]
	rate := track.Codec().ClockRate
	say(map[string]any{"event": "track", "sid": sid, "codec": codec})
	go reports(s)
	take := taker(codec)
	if take == nil {
		say(map[string]any{"event": "refused", "sid": sid, "codec": codec})
		return
	}
	builder := samplebuilder.New(500, take.depacketizer, rate)
	files := openFiles(folder, sid, codec)
	last := -1
	lost := 0
	packets := 0
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			break
		}
		packets++
		if last >= 0 {
			if gap := int(packet.SequenceNumber-uint16(last)) - 1; gap > 0 && gap < 1000 {
				lost += gap
			}
		}
		last = int(packet.SequenceNumber)
		if len(packet.Payload) == 0 {
			continue
		}
		builder.Push(packet)
		for sample := builder.Pop(); sample != nil; sample = builder.Pop() {
			emit(sid, take, sample, files)
		}
	}
	builder.Flush()
	for sample := builder.Pop(); sample != nil; sample = builder.Pop() {
		emit(sid, take, sample, files)
	}
	files.close()
	say(map[string]any{"event": "ended", "sid": sid, "lost": lost, "packets": packets})
}

// reports tells of each sender report: which RTP time was which unix time, on the server's clock.
func reports(s *stream) {
	for {
		packets, _, err := s.receiver.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			if sr, ok := packet.(*rtcp.SenderReport); ok && sr.SSRC == uint32(s.track.SSRC()) {
				ntp := float64(sr.NTPTime>>32) - 2208988800 + float64(sr.NTPTime&0xffffffff)/(1<<32)
				say(map[string]any{"event": "report", "sid": s.sid, "rtp": sr.RTPTime, "unixMs": ntp * 1000})
			}
		}
	}
}

func emit(sid string, take *taking, sample *media.Sample, files *files) {
	units := take.units(sample.Data)
	if len(units) == 0 {
		return
	}
	hashes := make([]string, len(units))
	for i, unit := range units {
		sum := sha256.Sum256(unit)
		hashes[i] = hex.EncodeToString(sum[:])
	}
	say(map[string]any{
		"event": "unit", "sid": sid, "rtp": sample.PacketTimestamp, "units": hashes, "size": len(sample.Data),
		"atMs": float64(time.Now().UnixMicro()) / 1000, "dropped": sample.PrevDroppedPackets,
	})
	files.write(sample)
}

// taking is how the payloads of one codec become units that can be compared with those of a file.
type taking struct {
	depacketizer rtp.Depacketizer
	units        func([]byte) [][]byte
}

func whole(data []byte) [][]byte {
	return [][]byte{append([]byte(nil), data...)}
}

func taker(codec string) *taking {
	switch codec {
	case "h264":
		return &taking{&codecs.H264Packet{}, nals}
	case "vp8":
		return &taking{&codecs.VP8Packet{}, whole}
	case "vp9":
		return &taking{&codecs.VP9Packet{}, whole}
	case "av1":
		return &taking{&codecs.AV1Depacketizer{}, obus}
	case "opus", "pcmu", "pcma":
		return &taking{&codecs.OpusPacket{}, whole}
	}
	return nil
}

// nals are the NAL units with picture data of an Annex B frame.
func nals(data []byte) [][]byte {
	var found [][]byte
	from := -1
	keep := func(to int) {
		if from < 0 || to <= from {
			return
		}
		if kind := data[from] & 0x1f; kind >= 1 && kind <= 5 {
			found = append(found, data[from:to])
		}
	}
	for i := 0; i+2 < len(data); i++ {
		if data[i] != 0 || data[i+1] != 0 || data[i+2] != 1 {
			continue
		}
		to := i
		if i > 0 && data[i-1] == 0 {
			to--
		}
		keep(to)
		from = i + 3
		i += 2
	}
	keep(len(data))
	return found
}

// obus are the bodies of the OBUs with picture data: frame headers, tile groups, frames.
func obus(data []byte) [][]byte {
	var found [][]byte
	for at := 0; at < len(data); {
		kind := data[at] >> 3 & 0xf
		body := at + 1
		if data[at]&4 != 0 {
			body++
		}
		size := len(data) - body
		if data[at]&2 != 0 {
			length, bytes := binary.Uvarint(data[body:])
			size = int(length)
			body += bytes
		}
		if body+size > len(data) {
			break
		}
		if kind == 3 || kind == 4 || kind == 6 {
			found = append(found, data[body:body+size])
		}
		at = body + size
	}
	return found
}

// files keep VP8 and Opus for a look and a listen.
type files struct {
	ivf   *os.File
	ogg   *oggwriter.OggWriter
	first uint32
	began bool
	sid   string
	seq   uint16
}

func openFiles(folder, sid, codec string) *files {
	f := &files{sid: sid}
	if folder == "" {
		return f
	}
	var err error
	switch codec {
	case "vp8":
		if f.ivf, err = os.Create(filepath.Join(folder, sid+".ivf")); err == nil {
			head := make([]byte, 32)
			copy(head, "DKIF")
			binary.LittleEndian.PutUint16(head[6:], 32)
			copy(head[8:], "VP80")
			binary.LittleEndian.PutUint16(head[12:], 640)
			binary.LittleEndian.PutUint16(head[14:], 360)
			binary.LittleEndian.PutUint32(head[16:], 90000)
			binary.LittleEndian.PutUint32(head[20:], 1)
			_, err = f.ivf.Write(head)
		}
	case "opus":
		f.ogg, err = oggwriter.New(filepath.Join(folder, sid+".ogg"), 48000, 2)
	}
	if err != nil {
		fail(err)
	}
	return f
}

func (f *files) write(sample *media.Sample) {
	if f.ivf == nil && f.ogg == nil {
		return
	}
	if !f.began {
		f.began = true
		f.first = sample.PacketTimestamp
		say(map[string]any{"event": "file", "sid": f.sid, "rtp": f.first})
	}
	if f.ivf != nil {
		head := make([]byte, 12)
		binary.LittleEndian.PutUint32(head, uint32(len(sample.Data)))
		binary.LittleEndian.PutUint64(head[4:], uint64(sample.PacketTimestamp-f.first))
		_, _ = f.ivf.Write(head)
		_, _ = f.ivf.Write(sample.Data)
	}
	if f.ogg != nil {
		f.seq++
		_ = f.ogg.WriteRTP(&rtp.Packet{
			Header:  rtp.Header{Version: 2, Timestamp: sample.PacketTimestamp, SequenceNumber: f.seq},
			Payload: sample.Data,
		})
	}
}

func (f *files) close() {
	if f.ivf != nil {
		_ = f.ivf.Close()
	}
	if f.ogg != nil {
		_ = f.ogg.Close()
	}
}
