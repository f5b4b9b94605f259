import Flambeau
import FlambeauNN

/// Pitch from 1,024 samples at 16 kHz (Kim et al., 2018), as the package torchcrepe has it: output [n, 360], a probability for each
/// fifth of a semitone.
final class Crepe: Layer {
  static let stateNames = [
    "norm1": "conv1_BN", "norm2": "conv2_BN", "norm3": "conv3_BN", "norm4": "conv4_BN", "norm5": "conv5_BN",
    "norm6": "conv6_BN",
  ]
  let conv1, conv2, conv3, conv4, conv5, conv6: Conv2d
  let norm1, norm2, norm3, norm4, norm5, norm6: BatchNorm2d
  let classifier: Linear

  /// The small one of its sizes.
  init() {
    let channels = [1, 128, 16, 16, 16, 32, 64]
    func conv(_ i: Int) -> Conv2d {
      Conv2d(
        channels[i], channels[i + 1], i == 0 ? Size2D(height: 512, width: 1) : Size2D(height: 64, width: 1),
        stride: i == 0 ? Size2D(height: 4, width: 1) : Size2D(1))
    }
    func norm(_ i: Int) -> BatchNorm2d { BatchNorm2d(channels[i + 1], eps: 0.0010000000474974513, momentum: 0) }
    (conv1, conv2, conv3, conv4, conv5, conv6) = (conv(0), conv(1), conv(2), conv(3), conv(4), conv(5))
    (norm1, norm2, norm3, norm4, norm5, norm6) = (norm(0), norm(1), norm(2), norm(3), norm(4), norm(5))
    classifier = Linear(256, 360)
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    let steps = [(conv1, norm1), (conv2, norm2), (conv3, norm3), (conv4, norm4), (conv5, norm5), (conv6, norm6)]
    let y = steps.enumerated().reduce(x.unsqueeze(1).unsqueeze(-1)) { y, step in
      let (i, (conv, norm)) = step
      return norm(conv(y.pad(i == 0 ? [0, 0, 254, 254] : [0, 0, 31, 32])).relu()).maxPool2d(Size2D(height: 2, width: 1))
    }
    return classifier(y.permute([0, 2, 1, 3]).reshape([-1, 256])).sigmoid()
  }
}

/// The probability of speech in pieces of 512 samples at 16 kHz, as the package silero-vad has it: magnitudes of frequencies,
/// convolutions, and an LSTM that goes on from piece to piece.
final class SileroVAD: Module {
  let stftConv, conv1, conv2, conv3, conv4, finalConv: Conv1d
  let lstmCell: LSTMCell

  init() {
    stftConv = Conv1d(1, 258, 256, stride: 128, bias: false)
    conv1 = Conv1d(129, 128, 3, padding: 1)
    conv2 = Conv1d(128, 64, 3, stride: 2, padding: 1)
    conv3 = Conv1d(64, 64, 3, stride: 2, padding: 1)
    conv4 = Conv1d(64, 128, 3, padding: 1)
    lstmCell = LSTMCell(128, 128)
    finalConv = Conv1d(128, 1, 1)
  }

  /// The probability of each whole piece of `samples` [t].
  func callAsFunction(_ samples: Tensor) -> [Double] {
    let (piece, before) = (512, 64)
    let padded = samples.pad([before, 0])
    var state: (hidden: Tensor, cell: Tensor)?
    return (0..<samples.count / piece).map { i in
      let x = padded.narrow(0, start: i * piece, length: before + piece).unsqueeze(0).unsqueeze(0)
      let parts = stftConv(x.pad([0, 64], mode: .reflect)).square().chunk(2, dim: 1)
      let y = [conv1, conv2, conv3, conv4].reduce((parts[0] + parts[1]).sqrt()) { y, conv in conv(y).relu() }
      let next = lstmCell(y.squeeze(-1), state)
      state = next
      return finalConv(next.hidden.unsqueeze(-1).relu()).sigmoid().mean().item()
    }
  }
}

/// Phones of an English word: a GRU reads its letters, another writes, as the package g2p-en has it.
final class LettersToPhones: Module {
  let encEmb, decEmb: Embedding
  let enc: GRU
  let dec: GRU
  let fc: Linear

  init() {
    (encEmb, decEmb) = (Embedding(29, 256), Embedding(74, 256))
    (enc, dec, fc) = (GRU(256, 256), GRU(256, 256), Linear(256, 74))
  }

  /// The state dict's names are the package's own.
  static let renaming: KeyRenaming = [
    .suffix("enc_emb", "enc_emb.weight"), .suffix("dec_emb", "dec_emb.weight"), .suffix("fc_w", "fc.weight"),
    .suffix("fc_b", "fc.bias"), .prefix("enc_w_ih", "enc.weight_ih_l0"), .prefix("enc_w_hh", "enc.weight_hh_l0"),
    .prefix("enc_b_ih", "enc.bias_ih_l0"), .prefix("enc_b_hh", "enc.bias_hh_l0"), .prefix("dec_w_ih", "dec.weight_ih_l0"),
    .prefix("dec_w_hh", "dec.weight_hh_l0"), .prefix("dec_b_ih", "dec.bias_ih_l0"), .prefix("dec_b_hh", "dec.bias_hh_l0"),
  ]

  private static let phones =
    ["<pad>", "<unk>", "<s>", "</s>"]
    + ("AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH EH0 EH1 EH2 ER0 ER1 ER2 EY0 EY1 EY2 F G HH "
    + "IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH")
    .split(separator: " ").map(String.init)

  func callAsFunction(_ word: String) -> String {
    let (begin, end, most) = (2, 3, 20)
    // Letters follow three special tokens: padding, unknown, end.
    let letters = word.utf8.map { Int($0 - UInt8(ascii: "a")) + 3 } + [2]
    var hidden = enc(encEmb(Tensor(letters))).hidden
    var (phone, found) = (begin, [String]())
    while found.count < most {
      let next = dec(decEmb(Tensor([phone])), hidden)
      hidden = next.hidden
      phone = fc(next.output[0]).argmax().item(as: Int.self)
      if phone == end { break }
      found.append(Self.phones[phone])
    }
    return found.joined(separator: " ")
  }
}
