"""The miniature: a tiny multilingual world that needs no download.

A grammar with hand-written lexicons in the real languages of XNLI and PAWS-X (:mod:`~xlgen.data.mini.lexicon`,
:mod:`~xlgen.data.mini.grammar`), two tasks of pairs (:mod:`~xlgen.data.mini.tasks`) and two of tagged sentences made
from it (:mod:`~xlgen.data.mini.tagging`), the text the encoder is pretrained on (:mod:`~xlgen.data.mini.corpus`) and
the pretraining itself (:mod:`~pretraining.pretrain`). Its figures are the miniature's, never the papers'.
"""
