"""Words, people and cells that the sandbox's export files are made of, harmless ones and nasty ones."""

# ruff: noqa: RUF001
from __future__ import annotations

#: Cells that readers are known to trip over. Every table holds each of them once it has this many rows.
NASTY_CELLS = (
    "First line\nsecond line\n\nfourth line",
    "Windows line\r\nbreaks\r\ninside",
    "an old Mac\rline break",
    'She said "thank you" and "goodbye"',
    '"',
    "commas, semicolons; tabs\tand pipes|",
    "お客様は返金を希望しています。対応が丁寧でした。",
    "退款已处理,客户满意。谢谢!",
    "환불 처리가 늦었습니다",
    "Great job 🎉👩🏽‍💻🇨🇭 ❤️",
    "שלום, הלקוח מרוצה \u200fמאוד",
    "العميل راضٍ عن الخدمة",
    "e\u0301 a\u0308 n\u0303 Z\u0351\u036b\u0343 combining",
    "line\u2028separator, next\u0085line, form\x0cfeed, vertical\x0btab",
    "no\u00a0break \ufeffmark inside",
    "  spaces around  ",
    "=SUM(A1:A9)",
    "-1+1|cmd",
    "@mention #tag \\n is no line break, nor is \\",
    "null",
    "Unknown",
    "",
    "'single' `back` «guillemets» „quotes“",
    'ends with a quote"\nand a line break\n',
)

#: People by name and mail name; some ids begin with zeros and must stay text.
PEOPLE = (
    ("Ada Lovelace", "ada.lovelace"),
    ("Nguyễn Thị Minh Khai", "minh.khai"),
    ("O'Brien, Seán", "sean.obrien"),
    ('Dwayne "The Rock" Johnson', "dwayne"),
    ("山田 太郎", "taro.yamada"),
    ("Zoë Müller-Lüdenscheidt", "zoe.mueller"),
    ("محمد الأحمد", "mohammed"),
    ("Olga Ладыженская", "olga"),
    ("Grace Hopper", "grace.hopper"),
    ("Søren Kierkegård", "soren"),
    ("Ana María Núñez", "ana.nunez"),
    ("X Æ A-12", "x12"),
)

RUBRICS = ("Email Quality", "Chat – Tier 1", "Voice / Calls", "Escalations, Level 2", "Social “Media”", "返品対応")
SECTIONS = ("Greeting", "Accuracy", "Tone & Empathy", "Process, Policy", "Closing")

_TEXT = (
    "the agent customer ticket answered quickly clearly refund order shipping delayed policy explained empathy tone"
    " greeting missing followed process escalated resolved politely account billing invoice payment replacement"
    " confirmed apology offered knowledge article linked wrong correct template used personal closing survey next"
    " time please remember verify identity before sharing details with caller transfer hold minutes waited response"
    " accurate incomplete spelling grammar excellent good poor average could should have been asked about because"
    " which was not and in of to for a is it that on this after when they their our your very more less without"
)
WORDS = tuple(_TEXT.split())
