import Flambeau
import FlambeauData
import FlambeauFormats
import Foundation
import TestSupport
import Testing

@Suite struct FileDatasetTests {
  private func message<R>(_ body: () throws(FormatError) -> R) -> String {
    do throws(FormatError) {
      _ = try body()
      return ""
    } catch {
      return error.description
    }
  }

  /// Records whose pixels count from the image's number on.
  private func records(_ labels: [[UInt8]]) -> Data {
    Data(labels.enumerated().flatMap { i, labels in labels + (0..<3072).map { UInt8(truncatingIfNeeded: $0 + i) } })
  }

  @Test func cifar() throws {
    try withFolder { folder in
      for batch in 1...5 {
        try records([[UInt8(batch)], [9]]).write(to: URL(fileURLWithPath: "\(folder)/data_batch_\(batch).bin"))
      }
      let data = try CIFAR10.train(folder: folder)
      #expect(data.count == 10 && data.inputs.shape == [10, 3, 32, 32] && data.inputs.dtype == .uint8)
      #expect(data.targets.array(of: Int.self) == [1, 9, 2, 9, 3, 9, 4, 9, 5, 9] && CIFAR10.classes[9] == "truck")
      #expect(try data.sample(at: 3).input.array(of: UInt8.self).prefix(3) == [1, 2, 3])
      try records([[19, 99], [0, 7]]).write(to: URL(fileURLWithPath: folder + "/train.bin"))
      #expect(try CIFAR100.train(folder: folder).targets.array(of: Int.self) == [99, 7])
      #expect(try CIFAR100.train(folder: folder, labels: .coarse).targets.array(of: Int.self) == [19, 0])
      try records([[10]]).write(to: URL(fileURLWithPath: folder + "/test_batch.bin"))
      #expect(
        message { () throws(FormatError) in try CIFAR10.test(folder: folder) }
          == "\(folder)/test_batch.bin: the label of image 0: is 10, but labels are 0...9")
      try Data(count: 3000).write(to: URL(fileURLWithPath: folder + "/test_batch.bin"))
      #expect(
        message { () throws(FormatError) in try CIFAR10.test(folder: folder) }
          == "\(folder)/test_batch.bin: holds 3000 bytes, which are not whole records of 3073")
    }
    #expect(
      message { () throws(FormatError) in try CIFAR100.test(folder: "/nowhere") }
        == "/nowhere/test.bin: is not there; it is in https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz "
        + "(MD5 03b5dce01913d631647c71ecec9e9cb8)")
  }

  @Test func fashionIsNamed() {
    #expect(
      message { () throws(FormatError) in try FashionMNIST.test(folder: "/nowhere") }
        == "/nowhere/t10k-images-idx3-ubyte.gz: is not there; fetch it from "
        + "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-images-idx3-ubyte.gz "
        + "(MD5 bef4ecab320f06d8554ea6380940ec79)")
    #expect(FashionMNIST.classes.count == 10)
  }

  @Test func npz() throws {
    try withFolder { folder in
      let path = folder + "/a.npz"
      try Npz.save(["x": Tensor.ones([3, 2]), "label": Tensor([1, 2, 3]), "few": Tensor([1])], to: path)
      let data = try TensorDataset(npz: path, targets: "label")
      #expect(data.count == 3 && data.targets.array(of: Int.self) == [1, 2, 3])
      #expect(
        message { () throws(FormatError) in try TensorDataset(npz: path) }
          == "\(path): has no array 'y', but few, label, x")
      #expect(
        message { () throws(FormatError) in try TensorDataset(npz: path, targets: "few") }
          == "\(path): 'x' is [3, 2] and 'few' [1]: their first dimensions differ")
    }
  }

  static let text = """
    name,rooms, area ,sold,note
    "Elm, 1",3,70.5,true,
    Oak,4,,False,"a ""big"" one"

    Ash,-1,1e3,TRUE,x
    """

  @Test func columnsHaveTheDTypesOfTheirFields() throws {
    let table = try CSVTable(Self.text)
    #expect(table.names == ["name", "rooms", "area ", "sold", "note"] && table.count == 3)
    #expect(try table.tensor("rooms").dtype == .int64 && table.tensor("rooms").array(of: Int.self) == [3, 4, -1])
    let area = try table.tensor("area ")
    let values = area.array(of: Float.self)
    #expect(area.dtype == .float32 && values[0] == 70.5 && values[1].isNaN && values[2] == 1000)
    #expect(try table.tensor("sold").array(of: Bool.self) == [true, false, true])
    guard case .text(let names)? = table["name"], case .text(let notes)? = table["note"] else { return #expect(Bool(false)) }
    #expect(names == ["Elm, 1", "Oak", "Ash"] && notes == ["", "a \"big\" one", "x"])
    let both = try table.tensor(["rooms", "sold"])
    #expect(both.dtype == .float32 && both.shape == [3, 2] && both.array(of: Float.self) == [3, 1, 4, 0, -1, 1])
    let (labels, classes) = try table.classes(of: "name")
    #expect(classes == ["Ash", "Elm, 1", "Oak"] && labels.array(of: Int.self) == [1, 2, 0])
    #expect(try table.classes(of: "rooms").classes == ["-1", "3", "4"])
    #expect(try CSVTable("a\tb\r\n1\t\r\n2\t", delimiter: "\t").tensor("a").array(of: Int.self) == [1, 2])
  }

  @Test func tablesThatAreNoneAreRefused() throws {
    func refusal(_ text: String) -> String { message { () throws(FormatError) in try CSVTable(text, file: "t.csv") } }
    #expect(refusal("") == "t.csv: is empty: a table has a line of names")
    #expect(refusal("a,b\n1,2\n1\n") == "t.csv: row 2: has 1 fields, but there are 2 columns")
    #expect(refusal("a,a\n1,2\n") == "t.csv: has two columns of one name")
    #expect(refusal("a,b\n\"1\"x,2\n").hasPrefix("t.csv: has quotes that do not match"))
    let table = try CSVTable("a,b\nx,1\n", file: "t.csv")
    #expect(
      message { () throws(FormatError) in try table.tensor("a") }
        == "t.csv: column 'a': holds text: classes(of:) numbers it")
    #expect(message { () throws(FormatError) in try table.tensor("c") } == "t.csv: has no column 'c', but a, b")
    #expect(
      message { () throws(FormatError) in try CSVTable.load("/nowhere.csv") }
        == "/nowhere.csv: cannot be opened: No such file or directory")
  }
}
