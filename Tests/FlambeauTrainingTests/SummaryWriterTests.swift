import Flambeau
import FlambeauFormats
import Foundation
import TestSupport
import Testing

@testable import FlambeauTraining

@Suite struct SummaryWriterTests {
  @Test func checksumsAreCastagnolis() {
    // The values of RFC 3720, B.4.
    #expect(CRC32C.value([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(CRC32C.value([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(CRC32C.value((0..<32).map { UInt8($0) }) == 0x46DD_794E)
  }

  @Test(.enabled(if: Python.hasTensorBoard)) func tensorBoardReadsWhatWasWritten() throws {
    struct Answer: Decodable {
      struct Histogram: Decodable {
        let min, max, num, sum, sum_squares: Double
        let limits, counts: [Double]
      }
      let scalars: [[Double]]
      let histogram: Histogram
      let reference: Histogram?
    }
    let script = """
      import numpy as np
      from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
      events = EventAccumulator(data["folder"], size_guidance={"scalars": 0, "histograms": 0})
      events.Reload()
      h = events.Histograms("weights")[0].histogram_value
      answer = {
        "scalars": [[e.step, e.value] for e in events.Scalars("train/loss")],
        "histogram": {"min": h.min, "max": h.max, "num": h.num, "sum": h.sum, "sum_squares": h.sum_squares,
                      "limits": list(h.bucket_limit), "counts": list(h.bucket)},
      }
      try:
        from torch.utils.tensorboard.summary import histogram
        from torch.utils.tensorboard.writer import SummaryWriter
        edges, v = [], 1e-12
        while v < 1e20: edges.append(v); v *= 1.1
        edges = [-e for e in edges[::-1]] + [0] + edges
        t = histogram("t", np.array(data["values"]), edges).value[0].histo
        answer["reference"] = {"min": t.min, "max": t.max, "num": t.num, "sum": t.sum, "sum_squares": t.sum_squares,
                               "limits": list(t.bucket_limit), "counts": list(t.bucket)}
      except ImportError: pass
      print(json.dumps(answer))
      """
    try withFolder { folder in
      let values = Tensor.randn([500], dtype: .float64) * 3
      do {
        let board = try SummaryWriter(folder)
        for step in 1...5 { try board.addScalar("train/loss", 1 / Double(step), step: step) }
        try board.addHistogram("weights", values, step: 3)
      }
      // A run that was killed after step 5 and goes on from step 3.
      let board = try SummaryWriter(folder, purgeStep: 4)
      try board.addScalar("train/loss", 9, step: 4)
      try board.flush()
      let answer: Answer = try Python.ask(script, ["folder": folder, "values": values.doubles])
      #expect(answer.scalars.map { $0[0] } == [1, 2, 3, 4] && answer.scalars.last == [4, 9])
      #expect(zip(answer.scalars, [1, 0.5, 1 / 3.0]).allSatisfy { abs($0[1] - $1) < 1e-6 })
      let histogram = answer.histogram
      #expect(histogram.num == 500 && histogram.counts.reduce(0, +) == 500 && histogram.limits.count == histogram.counts.count)
      #expect(abs(histogram.sum - values.sum().item()) < 1e-9 && histogram.min == values.min().item())
      if let reference = answer.reference {
        #expect(reference.counts == histogram.counts && reference.limits.count == histogram.limits.count)
        #expect(zip(reference.limits, histogram.limits).allSatisfy { abs($0 - $1) <= 1e-9 * abs($0) })
        #expect(abs(reference.sum_squares - histogram.sum_squares) < 1e-6)
      }
    }
  }

  @Test(.enabled(if: Python.hasTensorBoard)) func tensorBoardShowsImages() throws {
    struct Answer: Decodable {
      let width, height: Int
      let pixels: [[[Int]]]
    }
    let script = """
      import io, numpy as np
      from PIL import Image
      from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
      events = EventAccumulator(data["folder"], size_guidance={"images": 0})
      events.Reload()
      image = events.Images("photo")[0]
      pixels = np.array(Image.open(io.BytesIO(image.encoded_image_string)))
      print(json.dumps({"width": image.width, "height": image.height, "pixels": pixels.tolist()}))
      """
    try withFolder { folder in
      let image = Tensor.arange(24).to(.uint8).view([3, 2, 4])
      do {
        let board = try SummaryWriter(folder)
        try board.addImage("photo", image, step: 1)
      } catch let error as FormatError where error.what.contains("libpng") {
        return print("skipped: images for TensorBoard: \(error)")
      }
      let answer: Answer = try Python.ask(script, ["folder": folder])
      #expect(answer.width == 4 && answer.height == 2)
      let pixels: [Int] = answer.pixels.flatMap { row in row.flatMap { $0 } }
      let expected: [Int] = (0..<8).flatMap { i in [i, i + 8, i + 16] }
      #expect(pixels == expected)
    }
  }

  @Test func emptyAndUndefinedValuesMakeAHistogramToo() {
    let none = Histogram(Tensor([.nan, .infinity] as [Float]))
    #expect(none.count == 0 && none.limits.count == none.counts.count)
    let some = Histogram(Tensor([0, 1, .nan] as [Float]))
    #expect(some.count == 2 && some.counts.reduce(0, +) == 2 && some.min == 0 && some.max == 1)
  }
}
