import Flambeau
import FlambeauTraining
import Foundation
import Testing

@Suite struct MetricTests {
  /// Logits and labels in which some classes are rare and one never occurs, in batches.
  private static func batches(classes: Int) -> [(logits: Tensor, labels: Tensor)] {
    let generator = Generator(seed: UInt64.random(in: 0..<1 << 40))
    return withGenerator(generator) {
      [17, 1, 40].map { count in
        let labels = (0..<count).map { _ in Int64(min(Int(generator.nextInt64() % 20), classes - 2)) }
        return (Tensor.randn([count, classes], dtype: .float64), Tensor(labels))
      }
    }
  }

  @Test(.enabled(if: Python.hasSklearn)) func scoresAreScikitLearns() throws {
    struct Answer: Decodable {
      let accuracy, top3: Double
      let matrix: [[Int]]
      let precision, recall, f1: [String: Double]
      let perClass: [[Double]]
      let perplexity: Double
    }
    let script = """
      import numpy as np, warnings
      from sklearn import metrics as m
      warnings.simplefilter("ignore")
      logits, labels = np.array(data["logits"]), np.array(data["labels"])
      guesses, classes = logits.argmax(1), range(logits.shape[1])
      def scores(f): return {a: f(labels, guesses, average=a, zero_division=0) for a in ["macro", "micro", "weighted"]}
      shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
      print(json.dumps({
        "accuracy": m.accuracy_score(labels, guesses),
        "top3": m.top_k_accuracy_score(labels, logits, k=3, labels=list(classes)),
        "matrix": m.confusion_matrix(labels, guesses, labels=list(classes)).tolist(),
        "precision": scores(m.precision_score), "recall": scores(m.recall_score), "f1": scores(m.f1_score),
        "perClass": [list(s) for s in m.precision_recall_fscore_support(labels, guesses, labels=list(classes), zero_division=0)[:3]],
        "perplexity": float(np.exp(m.log_loss(labels, shares, labels=list(classes)))),
      }))
      """
    let batches = Self.batches(classes: 7)
    var (accuracy, top3) = (Accuracy(), Accuracy(topK: 3))
    var (confusion, perplexity) = (ConfusionMatrix(classes: 7), Perplexity())
    for (logits, labels) in batches {
      accuracy.update(logits, labels)
      top3.update(logits, labels)
      confusion.update(logits, labels)
      perplexity.update(logits, labels)
    }
    let rows = batches.flatMap { batch in (0..<batch.labels.count).map { batch.logits[$0].doubles } }
    let answer: Answer = try Python.ask(
      script, ["logits": rows, "labels": batches.flatMap { $0.labels.array(of: Int.self) }])
    func near(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 1e-9 }
    #expect(near(accuracy.compute(), answer.accuracy) && near(top3.compute(), answer.top3))
    #expect(near(confusion.accuracy, answer.accuracy) && near(perplexity.compute(), answer.perplexity))
    #expect((0..<7).map { truth in (0..<7).map { confusion[truth, $0] } } == answer.matrix)
    for average in ConfusionMatrix.Average.allCases {
      let name = "\(average)"
      #expect(near(confusion.precision(average), answer.precision[name]!), "\(name)")
      #expect(near(confusion.recall(average), answer.recall[name]!), "\(name)")
      #expect(near(confusion.f1(average), answer.f1[name]!), "\(name)")
    }
    for (ours, theirs) in zip([confusion.precision, confusion.recall, confusion.f1], answer.perClass) {
      #expect(zip(ours, theirs).allSatisfy(near))
    }
  }

  @Test func ignoredLabelsDoNotCount() {
    let logits = Tensor([0, 1, 5, 1, 0, 0] as [Float], shape: [3, 2])
    let labels = Tensor([1, -100, 1] as [Int64])
    var (accuracy, perplexity, expected) = (Accuracy(), Perplexity(), Perplexity())
    accuracy.update(logits, labels)
    perplexity.update(logits, labels)
    expected.update(logits[[0, 2]], labels[[0, 2]])
    #expect(accuracy.correct == 1 && accuracy.count == 2)
    #expect(accuracy.tally(logits, labels).array(of: Int64.self) == [1, 2])
    #expect(abs(perplexity.compute() - expected.compute()) < 1e-9)
    perplexity.update(logits, Tensor([-100, -100, -100] as [Int64]))
    #expect(abs(perplexity.compute() - expected.compute()) < 1e-9)
    accuracy.reset()
    perplexity.reset()
    #expect(accuracy.compute().isNaN && perplexity.compute().isNaN)
  }

  @Test func tokensOfSequencesCountOneByOne() {
    let logits = Tensor.randn([2, 3, 5])
    let labels = logits.argmax(dim: -1)
    var accuracy = Accuracy()
    accuracy.update(logits, labels)
    #expect(accuracy.correct == 6 && accuracy.count == 6)
    var (whole, mean) = (Perplexity(), Mean())
    whole.update(logits, labels)
    for i in 0..<2 { mean.update(logits[i].crossEntropy(labels[i]).item(), weight: 3) }
    #expect(abs(log(whole.compute()) - mean.compute()) < 1e-6 && mean.weight == 6)
  }

  @Test func metricsSurviveACheckpoint() throws {
    var accuracy = Accuracy(topK: 2)
    accuracy.update(Tensor([3, 2, 1] as [Float], shape: [1, 3]), Tensor([1] as [Int64]))
    let copy = try JSONDecoder().decode(Accuracy.self, from: JSONEncoder().encode(accuracy))
    #expect(copy == accuracy && copy.compute() == 1)
  }

  @Test func misuseIsASentence() {
    func message(_ body: () -> Void) -> String {
      do {
        try withTensorErrors(body)
        return ""
      } catch { return "\(error)" }
    }
    var (accuracy, confusion) = (Accuracy(), ConfusionMatrix(classes: 2))
    let wrongShape = message { accuracy.update(.zeros([2, 3]), .zeros([3], dtype: .int64)) }
    #expect(wrongShape.contains("Accuracy.update: expected logits [..., classes]") && wrongShape.contains("[2, 3]"))
    #expect(message { accuracy.update(.zeros([2, 3]), .zeros([2])) }.contains("whole numbers"))
    let wrongLabel = message { confusion.update(.zeros([1, 2]), Tensor([2] as [Int64])) }
    #expect(wrongLabel.contains("label 2, guess 0: one of them is no class from 0 to 1"))
    #expect(accuracy == Accuracy() && confusion.total == 0)
  }

  @Test func stoppingWaitsForPatience() {
    var patience = EarlyStopping(patience: 2, minDelta: 0.1)
    #expect([5, 4, 3.95, 3.85, 3.8, .nan].map { patience.shouldStop(after: $0) } == [false, false, false, false, false, true])
    #expect(patience.best == 3.85 && patience.looksSinceBest == 2)
    var highest = EarlyStopping(patience: 1, goal: .highest)
    #expect([0.5, 0.6, 0.6].map { highest.shouldStop(after: $0) } == [false, false, true])
  }
}
