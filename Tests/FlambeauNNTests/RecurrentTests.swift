import Flambeau
import FlambeauNN
import Testing

/// Recurrent layers beside torch's, both made from one seed: output and last states as one vector.
@Suite struct RecurrentTests {
  private struct Case: Sendable {
    let torch: String
    let shape: Shape
    let run: @Sendable (Tensor) -> [Tensor]
  }

  private static let cases: [Case] = [
    Case(torch: one("nn.RNN(3, 4)(a)"), shape: [5, 2, 3]) { list(RNN(3, 4)($0)) },
    Case(torch: one("nn.RNN(3, 4, 2, 'relu', bias=False, batch_first=True, bidirectional=True)(a)"), shape: [2, 5, 3]) {
      list(RNN(3, 4, numLayers: 2, nonlinearity: .relu, bias: false, batchFirst: true, bidirectional: true)($0))
    },
    Case(torch: one("nn.GRU(3, 4, 2, dropout=0.3, bidirectional=True)(a)"), shape: [5, 2, 3]) {
      list(GRU(3, 4, numLayers: 2, dropout: 0.3, bidirectional: true)($0))
    },
    Case(torch: one("nn.GRU(3, 4)(a, torch.ones(1, 4))"), shape: [5, 3]) { list(GRU(3, 4)($0, .ones([1, 4]))) },
    Case(torch: two("nn.LSTM(3, 4)(a)"), shape: [5, 2, 3]) { list(LSTM(3, 4)($0)) },
    Case(torch: two("nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)(a)"), shape: [5, 2, 3]) {
      list(LSTM(3, 4, numLayers: 2, bidirectional: true, projSize: 2)($0))
    },
    Case(torch: two("nn.LSTM(3, 4)(a, (torch.ones(1, 2, 4), -torch.ones(1, 2, 4)))"), shape: [5, 2, 3]) {
      list(LSTM(3, 4)($0, (hidden: Tensor.ones([1, 2, 4]), cell: Tensor.ones([1, 2, 4]) * -1)))
    },
    Case(torch: packed("nn.LSTM(3, 4, 2, bidirectional=True)"), shape: [5, 3, 3]) { x in
      let input = packPaddedSequence(x, lengths: [2, 5, 4], enforceSorted: false)
      let (output, state) = LSTM(3, 4, numLayers: 2, bidirectional: true)(input)
      return [padPackedSequence(output, paddingValue: 7).sequences, state.hidden, state.cell]
    },
    Case(torch: "nn.RNNCell(3, 4)(a)", shape: [2, 3]) { [RNNCell(3, 4)($0)] },
    Case(torch: "nn.GRUCell(3, 4, bias=False)(a, torch.ones(4))", shape: [3]) {
      [GRUCell(3, 4, bias: false)($0, .ones([4]))]
    },
    Case(torch: "torch.cat([x.flatten() for x in nn.LSTMCell(3, 4)(a)])", shape: [2, 3]) {
      let state = LSTMCell(3, 4)($0)
      return [state.hidden, state.cell]
    },
  ]

  private static func one(_ call: String) -> String { "torch.cat([x.flatten() for x in \(call)])" }
  private static func two(_ call: String) -> String { "(r := \(call), torch.cat([x.flatten() for x in (r[0], *r[1])]))[1]" }
  private static func packed(_ module: String) -> String {
    let pack = "nn.utils.rnn.pack_padded_sequence(a, torch.tensor([2, 5, 4]), enforce_sorted=False)"
    let pad = "nn.utils.rnn.pad_packed_sequence(r[0], padding_value=7)[0]"
    return "(r := \(module)(\(pack)), torch.cat([x.flatten() for x in (\(pad), *r[1])]))[1]"
  }
  private static func list(_ result: (output: Tensor, hidden: Tensor)) -> [Tensor] { [result.output, result.hidden] }
  private static func list(_ result: (output: Tensor, state: (hidden: Tensor, cell: Tensor))) -> [Tensor] {
    [result.output, result.state.hidden, result.state.cell]
  }

  @Test(.enabled(if: Torch.python != nil)) func computeWhatTorchDoes() throws {
    let inputs = Self.cases.map { Tensor.random($0.shape, in: -2...2) }
    let seed = Int.random(in: 0..<1 << 40)
    let answers = try Torch.judge(
      zip(Self.cases, inputs).map { Torch.Question(expression: $0.torch, input: $1, seed: seed) })
    for (i, answer) in answers.enumerated() {
      let x = inputs[i].requiresGrad_()
      let parts = withGenerator(Generator(seed: seed)) { Self.cases[i].run(x) }
      let y = Tensor.cat(parts.map { $0.reshape([$0.count]) })
      y.backward(gradient: Torch.cotangent(answer.output.shape).reshape(y.shape))
      func close(_ a: Tensor, _ b: Tensor) -> Bool {
        a.count == b.count && zip(a.floats, b.floats).allSatisfy { abs($0 - $1) <= 1e-5 + 1e-5 * abs($1) }
      }
      #expect(close(y, answer.output), "\(Self.cases[i].torch), seed \(seed)")
      #expect(close(x.grad!, answer.gradient), "gradient of \(Self.cases[i].torch), seed \(seed)")
    }
  }

  @Test func stateDictsHaveTorchsNames() {
    let lstm = LSTM(3, 4, numLayers: 2, bidirectional: true, projSize: 2)
    let kinds = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"]
    let expected = ["l0", "l0_reverse", "l1", "l1_reverse"].flatMap { place in kinds.map { "\($0)_\(place)" } }
    #expect(lstm.stateDict().keys == expected)
    #expect(lstm.stateDict()["weight_ih_l1"]!.shape == [16, 4])
    #expect(GRUCell(3, 4).stateDict().keys == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"])
    #expect("\(lstm)" == "LSTM(3, 4, projSize: 2, numLayers: 2, bidirectional: true)")
  }

  @Test func sequencesComeBackAsTheyWent() {
    let sequences = [2, 4, 1].map { Tensor.random([$0, 3]) }
    let packed = packSequence(sequences, enforceSorted: false)
    #expect(packed.batchSizes == [3, 2, 1, 1])
    #expect(zip(unpackSequence(packed), sequences).allSatisfy { $0.isEqual(to: $1) })
    #expect(padSequence(sequences, paddingValue: -1).shape == [4, 3, 3])
    #expect(padPackedSequence(packed, batchFirst: true, totalLength: 6).sequences.shape == [3, 6, 3])
    #expect(padPackedSequence(packed).lengths == [2, 4, 1])
  }

  @Test func emptyBatchesGiveNothing() {
    let x = Tensor.zeros([5, 0, 3]).requiresGrad_()
    for output in [RNN(3, 4)(x).output, GRU(3, 4)(x).output, LSTM(3, 4)(x).output] {
      #expect(output.shape == [5, 0, 4])
      #expect(Tensor.grad(of: [output.sum()], withRespectTo: [x])[0]!.shape == [5, 0, 3])
    }
  }

  @Test func misuseIsRefused() {
    func problem(_ body: () -> Void) -> String? {
      let error = #expect(throws: TensorError.self) { try withTensorErrors(body) }
      return error?.message
    }
    #expect(
      problem { _ = GRU(3, 4)(.ones([2, 5])) } == "input.size(-1) must be equal to input_size. Expected 3, got 5")
    #expect(problem { _ = GRU(3, 4)(.ones([3])) } == "Expected input to be 2D or 3D, got 1D instead")
    #expect(problem { _ = LSTM(3, 4, projSize: 4) } == "proj_size has to be smaller than hidden_size")
    #expect(
      problem { _ = RNN(3, 4)(.ones([5, 2, 3]), .ones([1, 1, 4])) } == "Expected hidden[0] size [1, 2, 4], got [1, 1, 4]")
    let unsorted = problem { _ = packSequence([.ones([2, 3]), .ones([4, 3])]) }
    #expect(unsorted?.hasPrefix("`lengths` array must be sorted") == true && unsorted!.contains("`enforceSorted: false`"))
  }
}
