"""The miniature: a tiny multilingual world that needs no download.

A grammar with hand-written lexicons in the real languages of XNLI and PAWS-X (:mod:`~xlgen.mini.lexicon`,
:mod:`~xlgen.mini.grammar`), two tasks of pairs (:mod:`~xlgen.mini.tasks`) and two of tagged sentences made from it
(:mod:`~xlgen.mini.tagging`), the text the encoder is pretrained on (:mod:`~xlgen.mini.corpus`) and the pretraining
itself (:mod:`~xlgen.mini.pretrain`). Its figures are the miniature's, never the papers'.
"""
